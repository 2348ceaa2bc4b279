// What the control socket answers: the commands of the operator's own tools. The socket's file mode is the
// authentication.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/decision/bans.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/reload_preview.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

struct ReloadReport {
    bool done = false;
    std::string text;                       // diagnostics and warnings, for a person
    std::vector<std::string> restart;       // settings that differ but wait for the next start
    bool same = false;                      // the policy means what it did
    std::vector<std::string> changes = {};  // a line each, for a person
};

struct ForecastReport {
    bool would_load = false;
    std::string text;  // diagnostics and warnings, for a person
    std::vector<std::string> restart;
    ReloadPreview forecast;  // if it would load
};

struct ControlActions {
    std::function<ReloadReport()> reload;  // returns when it is done or refused
    std::function<ForecastReport()> forecast;
    std::function<Snapshot()> snapshot;
    std::function<std::string(const SessionFilter& filter)> sessions;  // JSON
    std::function<Result<Explanation>(const LiveQuestion&)> explain;
    std::function<std::vector<BanEntry>()> bans;
    std::function<size_t(const std::string& name)> lift;  // how many
    std::function<Result<Published, DeskError>(std::string_view json)> publish;
    std::function<Result<Progress, DeskError>(std::string_view json)> progress;
};

// POST /reload and POST /reload/dry-run: 200 with a summary, or 422 with a problem document (RFC 9457).
// POST /explain, GET /status, GET or POST /sessions, GET /bans; POST /bans/lift: its body is an id, or who.
// POST /publish and POST /progress: see ControlPublisher.
[[nodiscard]] OpsAnswer answer_control(const OpsRequest& request, const ControlActions& actions);

}  // namespace wayleave
