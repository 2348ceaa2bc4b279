#include "daemon/ops/server/control_plane.h"

#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/now.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/log/log.h"

namespace wayleave {

namespace {

// Who has the listening sockets can be the daemon for its clients: a group that may operate it may not.
bool may_ask(const OpsRequest& request) {
    return request.path != "/take-over" || is_peer_of(request.socket, std::nullopt);
}

}  // namespace

void ControlPlane::connect(Broker& broker) {
    commons_ = broker.commons();
    publisher_.emplace(parts_.loop, parts_.calls, broker);
    publisher_->count_by([this](std::vector<Receivers> of, auto then) {
        count_receivers(parts_.questions, std::move(of), std::move(then));
    });
}

Started ControlPlane::open(GivenSockets& given) {
    const std::string& path = parts_.settings.control_socket;
    if (path.empty()) return Nothing{};
    GivenListener found = given.take(GivenListener::Use::control, {}, {});
    auto listener = found.sockets.empty() ? UnixListener::open(path, file_options())
                                          : UnixListener::adopt(path, file_options());
    if (!listener) return refuse_start(listener.error());
    FileDescriptor socket =
        found.sockets.empty() ? listener->take_socket() : std::move(found.sockets.front());
    serve(std::move(*listener), std::move(socket));
    return Nothing{};
}

UnixListener::Options ControlPlane::file_options() const {
    UnixListener::Options options;
    options.group = parts_.settings.control_group;
    if (!options.group.empty()) options.mode = 0660;
    return options;
}

void ControlPlane::own_file() {
    if (file_) file_->own_file();
}

void ControlPlane::leave() {
    if (file_) file_->leave_file();
    file_.reset();
    if (server_) server_->stop_listening();
}

GivenListener ControlPlane::to_hand_on() const {
    GivenListener out{GivenListener::Use::control, {}, {}, {}};
    if (server_) out.sockets.push_back(server_->share_socket());
    return out;
}

void ControlPlane::serve(UnixListener listener, FileDescriptor socket) {
    file_.emplace(std::move(listener));
    const auto group =
        parts_.settings.control_group.empty() ? std::nullopt : group_number(parts_.settings.control_group);
    if (server_) return server_->listen_at(std::move(socket));
    server_.emplace(
        parts_.loop, std::move(socket),
        [this](const OpsRequest& request, const Responder& respond) {
            if (may_ask(request)) return answer(request, respond);
            respond({403, "text/plain; charset=utf-8", "for root and the daemon's user alone\n"});
        },
        HttpServer::HostRule(), [group](int peer) { return is_peer_of(peer, group); });
}

ControlActions ControlPlane::actions() {
    return {[this](ThenReloaded then) { parts_.reloader.reload(std::move(then)); },
            [this](ThenForecast then) { parts_.reloader.forecast(std::move(then)); },
            [this] { return parts_.snapshot(); },
            [this](const SessionFilter& filter, Then<const std::string&> then) {
                list_sessions(parts_.questions, filter, std::move(then));
            },
            [this](const LiveQuestion& question, Then<Result<Explanation>> then) {
                explain_live(parts_.questions, parts_.limits, question, std::move(then));
            },
            [this] { return parts_.bans.list(read_clocks().steady_ms); },
            [this](const std::string& name) { return lift_ban(name); },
            [this](std::string_view json, ControlPublisher::ThenPublished then) {
                publish(json, std::move(then));
            },
            [this](std::string_view json, ControlPublisher::ThenProgress then) {
                publisher_->progress(json, *parts_.reloader.now().runtime->policy, read_clocks(),
                                     std::move(then));
            },
            [this](const ChannelQuestion& question, Then<const std::string&> then) {
                list_channels(parts_.questions, question, std::move(then));
            },
            [this](const Kick& order, Then<Kicked> then) { kick(order, std::move(then)); },
            [this](const WhyQuestion& question) { return why_json(parts_.books.refusals, question); },
            [this](const DrainOrder& order) { drain(order); },
            [] { return reopen_log(); },
            [this] { return parts_.reloader.history().json(); },
            &tracing_,
            parts_.take_over,
            [this] { return commons_ ? std::optional(commons_->nodes()) : std::nullopt; }};
}

void ControlPlane::kick(const Kick& order, Then<Kicked> then) {
    kick_sessions(parts_.questions, order, [order, then = std::move(then)](Kicked kicked) {
        if (!order.dry_run && kicked.sessions > 0) {
            const std::string because = order.because.empty() ? "" : ": " + order.because;
            log_event(Level::info, "kicked", "an operator has ended connections" + because,
                      {{"sessions", std::to_string(kicked.sessions)}, {"order", order.order}});
        }
        then(kicked);
    });
}

void ControlPlane::drain(const DrainOrder& order) {
    if (order.undo) return parts_.drainer.undo();
    const int64_t usual_ms = parts_.reloader.now().settings.drain.count();
    parts_.drainer.begin(order.over_ms > 0 ? order.over_ms : usual_ms);
}

void ControlPlane::keep() {
    tracing_.tick();
    if (!file_ || file_->stands()) return;
    auto listener = UnixListener::open(parts_.settings.control_socket, file_options());
    if (listener) {
        log_event(Level::warn, "control-remade", "the control socket was removed, and is made anew",
                  {{"path", parts_.settings.control_socket}});
        FileDescriptor socket = listener->take_socket();
        return serve(std::move(*listener), std::move(socket));
    }
    if (!std::exchange(told_, true))
        log_event(Level::error, "control-lost", "the control socket was removed: " + listener.error().text);
}

// Who has more to say than is delivered says it later, as the clients do.
void ControlPlane::publish(std::string_view json, ControlPublisher::ThenPublished then) {
    if (parts_.exchange.crammed())
        return then(failure(DeskError{503, "more is published than the workers deliver; try again"}));
    publisher_->publish(json, *parts_.reloader.now().runtime->policy, read_clocks(), std::move(then));
}

size_t ControlPlane::lift_ban(const std::string& name) {
    const std::vector<std::string> keys = parts_.bans.lift(name, read_clocks().steady_ms);
    const size_t lifted = keys.size();
    for (const std::string& key : keys) {
        if (commons_) commons_->lift_ban(key);
    }
    if (lifted > 0) {
        log_event(Level::info, "ban-lifted", escape_peer_text(name, 256) + " was lifted by an operator",
                  {{"bans", std::to_string(lifted)}});
    }
    return lifted;
}

}  // namespace wayleave
