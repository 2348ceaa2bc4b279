#include "daemon/ops/server/control_plane.h"

#include <utility>

#include "daemon/base/escape.h"
#include "daemon/base/now.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/log/log.h"

namespace wayleave {

void ControlPlane::connect(Broker& broker) {
    commons_ = broker.commons();
    publisher_.emplace(parts_.loop, parts_.calls, broker);
    publisher_->count_by([this](std::vector<Receivers> of, auto then) {
        count_receivers(parts_.questions, std::move(of), std::move(then));
    });
}

Started ControlPlane::open() {
    if (parts_.settings.control_socket.empty()) return Nothing{};
    auto listener = open_file();
    if (!listener) return refuse_start(listener.error());
    serve(std::move(*listener));
    return Nothing{};
}

Result<UnixListener, ListenError> ControlPlane::open_file() const {
    UnixListener::Options options;
    options.group = parts_.settings.control_group;
    if (!options.group.empty()) options.mode = 0660;
    return UnixListener::open(parts_.settings.control_socket, options);
}

void ControlPlane::serve(UnixListener listener) {
    file_.emplace(std::move(listener));
    const auto group =
        parts_.settings.control_group.empty() ? std::nullopt : group_number(parts_.settings.control_group);
    if (server_) return server_->listen_at(file_->take_socket());
    server_.emplace(
        parts_.loop, file_->take_socket(),
        [this](const OpsRequest& request, const Responder& respond) {
            answer_control(request, actions(), respond);
        },
        HttpServer::HostRule(), [group](int socket) { return is_peer_of(socket, group); });
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
            [this] { return commons_ ? std::optional(commons_->nodes()) : std::nullopt; }};
}

void ControlPlane::keep() {
    if (!file_ || file_->stands()) return;
    auto listener = open_file();
    if (listener) {
        log_event(Level::warn, "control-remade", "the control socket was removed, and is made anew",
                  {{"path", parts_.settings.control_socket}});
        return serve(std::move(*listener));
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
