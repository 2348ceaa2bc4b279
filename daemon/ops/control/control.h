// What the control socket answers: the commands of the operator's own tools. The socket's file mode is the
// authentication. Main thread, which waits for nothing: what takes longer is answered later.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/decision/bans.h"
#include "daemon/ops/control/channels.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/kick.h"
#include "daemon/ops/control/nodes.h"
#include "daemon/ops/control/reload_preview.h"
#include "daemon/ops/control/tracing.h"
#include "daemon/ops/control/why.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

// As they are shown: "https://127.0.0.1:8443".
struct ListenerChanges {
    std::vector<std::string> added = {};
    std::vector<std::string> removed = {};
    std::vector<std::string> changed = {};  // their settings, at the same sockets

    [[nodiscard]] bool none() const { return added.empty() && removed.empty() && changed.empty(); }
    [[nodiscard]] std::vector<std::string> lines() const;  // for a person
};

struct ReloadReport {
    bool done = false;
    std::string text;                       // diagnostics and warnings, for a person
    std::vector<std::string> restart;       // settings that differ but wait for the next start
    bool same = false;                      // the policy means what it did
    std::vector<std::string> changes = {};  // a line each, for a person
    std::string difference = {};            // of the policy, line by line, likewise
    ListenerChanges listeners = {};
};

struct ForecastReport {
    bool would_load = false;
    std::string text;  // diagnostics and warnings, for a person
    std::vector<std::string> restart;
    ReloadPreview forecast;  // if it would load
    ListenerChanges listeners = {};
};

// How an action tells its result: once, on the main thread, within the call or later.
template <class T>
using Then = std::function<void(T)>;

// An error: it was not tried, and why.
using ThenReloaded = Then<Result<ReloadReport, DeskError>>;
using ThenForecast = Then<Result<ForecastReport, DeskError>>;

// What is to become of the clients; see Drainer.
struct DrainOrder {
    int64_t over_ms = 0;
    bool undo = false;
};

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
    std::function<void(const ChannelQuestion&, Then<const std::string&>)> channels;  // JSON
    std::function<void(const Kick&, Then<Kicked>)> kick;
    std::function<std::string(const WhyQuestion&)> why;  // JSON
    std::function<void(const DrainOrder&)> drain;
    std::function<Result<Nothing>()> reopen;
    std::function<std::string()> reloads;  // JSON
    Tracing* tracing = nullptr;
    std::function<Result<OpsAnswer, DeskError>()> take_over;  // for another daemon
    std::function<std::optional<NodeList>()> nodes;           // nothing: the daemon is alone
};

// POST /reload and POST /reload/dry-run: 200 with a summary, or 422 with a problem document (RFC 9457); 503
// where it was not tried.
// GET /nodes: 409 where there are none.
// POST /explain, GET /status, GET or POST /sessions, GET /bans; POST /bans/lift: its body is an id, or who.
// POST /publish and POST /progress: see ControlPublisher. POST /channels, /kick, /why, /trace and /log: see
// their headers, where they are called with their bodies. POST /drain: `over_ms`, or `undo`; POST /reopen;
// GET /reloads: the last of them, see ReloadHistory.
// POST /take-over: see HandOver.
void answer_control(const OpsRequest& request, const ControlActions& actions, const Responder& respond);

}  // namespace wayleave
