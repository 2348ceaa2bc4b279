// What the control socket answers: the commands of the operator's own tools. The socket's file mode is the
// authentication.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/ops/http_server.h"
#include "daemon/ops/snapshot.h"

namespace wayleave {

struct ReloadReport {
    bool done = false;
    std::string text;                  // diagnostics and warnings, for a person
    std::vector<std::string> restart;  // settings that differ but wait for the next start
};

struct ControlActions {
    std::function<ReloadReport()> reload;  // returns when it is done or refused
    std::function<Snapshot()> snapshot;
};

// POST /reload: 200 with a summary, or 422 with a problem document (RFC 9457). GET /status.
[[nodiscard]] OpsAnswer answer_control(const OpsRequest& request, const ControlActions& actions);

}  // namespace wayleave
