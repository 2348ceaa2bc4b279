// Questions about live connections: who is there, and what the policy decides about one of them. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/limits.h"
#include "daemon/edge/worker.h"
#include "daemon/explain/explained_decision.h"
#include "dsl/text/result.h"

namespace wayleave {

using Workers = std::vector<std::unique_ptr<Worker>>;

// Which connections are listed: all that have what is named.
struct SessionFilter {
    std::string user;
    std::string route;
    std::optional<dsl::Net> ip;
    std::string channel;

    [[nodiscard]] bool admits(const Seen& seen) const;
};

// The body of POST /sessions: an object with any of user, route, ip (an address or a network) and channel.
// Error: for the client.
[[nodiscard]] Result<SessionFilter> session_filter(std::string_view body);

// JSON:
// {"sessions":[{"session","route","ip","user","path","age_ms","channels","worker"}],"count":1,"more":false}
[[nodiscard]] std::string sessions_json(const Workers& workers, const SessionFilter& filter);

// The body of POST /explain: {"session","action","target","json"}.
struct LiveQuestion {
    uint64_t session = 0;
    Question question;
};
[[nodiscard]] Result<LiveQuestion> live_question(std::string_view body);

// Draws from no limit: `limits` is only read. The reason if there is no such session.
[[nodiscard]] Result<Explanation> explain_live(const Workers& workers, const LimitTable& limits,
                                               const LiveQuestion& question);

}  // namespace wayleave
