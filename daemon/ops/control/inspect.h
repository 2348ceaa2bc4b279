// Questions about live connections: who is there, and what the policy decides about one of them. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/decision/limits.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/ops/control/members.h"
#include "daemon/ops/control/worker_questions.h"
#include "dsl/text/result.h"

namespace wayleave {

// Which connections are listed: all that have what is named.
struct SessionFilter {
    std::string who;  // a user, or a session
    std::string user;
    std::string route;
    std::optional<dsl::Net> ip;
    std::string channel;
    std::optional<uint64_t> session;
    size_t most = 10'000;  // that are listed

    [[nodiscard]] bool admits(const OpenConnection& open) const;
    [[nodiscard]] bool names_nobody() const;  // it admits all
};

// By members who, user, session, route, ip (an address or a network) and channel. Error: for the client.
[[nodiscard]] Result<SessionFilter> session_filter(const Members& members);
// The body of POST /sessions: an object with any of them.
[[nodiscard]] Result<SessionFilter> session_filter(std::string_view body);

// Calls back with JSON:
// {"sessions":[{"session","route","ip","user","path","age_ms","channels","messages_in","messages_out",
// "bytes_in","bytes_out","waiting","worker"}],"count":1,"more":false}
void list_sessions(WorkerQuestions& workers, const SessionFilter& filter,
                   std::function<void(const std::string& json)> then);

// The body of POST /explain: {"session","action","target","json"}.
struct LiveQuestion {
    uint64_t session = 0;
    Question question;
};
[[nodiscard]] Result<LiveQuestion> live_question(std::string_view body);

// Draws from no limit: `limits` is only read, and must outlive the workers. Calls back with the reason if
// there is no such session.
void explain_live(WorkerQuestions& workers, const LimitTable& limits, const LiveQuestion& question,
                  std::function<void(Result<Explanation>)> then);

// Tells them with how many sessions there are; as far as the workers answer in time.
void count_receivers(WorkerQuestions& workers, std::vector<Receivers> of,
                     std::function<void(std::vector<Receivers>)> then);

}  // namespace wayleave
