// `wayleave kick`: an operator ends connections, as an api's POST /disconnect does. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/worker_questions.h"
#include "dsl/text/result.h"

namespace wayleave {

struct Kick {
    SessionFilter whom;
    std::string because;     // for the clients
    bool returns = false;    // they are invited to come again
    bool dry_run = false;    // they are only counted
    std::string order = {};  // as it was asked, for the log
};

// The body of POST /kick: members of a session filter, of which one at least is there, `because`, `reconnect`
// and `dry_run`. Error: for the client.
[[nodiscard]] Result<Kick> kick_from(std::string_view body);

struct Kicked {
    uint64_t sessions = 0;
    bool all = false;  // every worker has answered in time
};
void kick_sessions(WorkerQuestions& workers, const Kick& kick, std::function<void(Kicked)> then);

}  // namespace wayleave
