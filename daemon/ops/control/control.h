// What the control socket answers: the commands of the operator's own tools. The socket's file mode is the
// authentication. Main thread, which waits for nothing: what takes longer is answered later.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/decision/bans.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/nodes.h"
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

// How an action tells its result: once, on the main thread, within the call or later.
template <class T>
using Then = std::function<void(T)>;

// An error: it was not tried, and why.
using ThenReloaded = Then<Result<ReloadReport, DeskError>>;
using ThenForecast = Then<Result<ForecastReport, DeskError>>;

// What they refer to must live as long as the server of the requests.
struct ControlActions {
    std::function<void(ThenReloaded)> reload;  // tells when it is done or refused
    std::function<void(ThenForecast)> forecast;
    std::function<Snapshot()> snapshot;
    std::function<void(const SessionFilter& filter, Then<const std::string&>)> sessions;  // JSON
    std::function<void(const LiveQuestion&, Then<Result<Explanation>>)> explain;
    std::function<std::vector<BanEntry>()> bans;
    std::function<size_t(const std::string& name)> lift;  // how many
    std::function<void(std::string_view json, ControlPublisher::ThenPublished)> publish;
    std::function<void(std::string_view json, ControlPublisher::ThenProgress)> progress;
    std::function<std::optional<NodeList>()> nodes;  // nothing: the daemon is alone
};

// POST /reload and POST /reload/dry-run: 200 with a summary, or 422 with a problem document (RFC 9457); 503
// where it was not tried.
// GET /nodes: 409 where there are none.
// POST /explain, GET /status, GET or POST /sessions, GET /bans; POST /bans/lift: its body is an id, or who.
// POST /publish and POST /progress: see ControlPublisher.
void answer_control(const OpsRequest& request, const ControlActions& actions, const Responder& respond);

}  // namespace wayleave
