#include "daemon/ops/server/open_listeners.h"

#include <sysexits.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/ops/log/log.h"
#include "daemon/ops/settings/value.h"

namespace wayleave {

namespace {

ListenAddress listen_address(const std::string& text) {  // of the settings, which were checked
    const auto address = parse_socket_address(text).value();
    return {address.host, address.port};
}

// What it is called in errors.
std::string title_of(const ListenerSettings& listener) {
    return listener.name.empty() ? listener.address : "listen[].name = \"" + listener.name + "\"";
}

Started check_given(const OpenListener& listener, size_t send_buffer) {
    for (const FileDescriptor& socket : listener.sockets) {
        const auto ready = prepare_given(socket, send_buffer);
        if (!ready)
            return refuse_start(EX_CONFIG, title_of(listener.settings) +
                                               ": what the service manager passes, " + bound_to(socket) +
                                               ", cannot be used: " + ready.error() +
                                               "; the unit needs ListenStream= and Accept=no");
        if (listener.tls && is_unix_socket(socket))
            return refuse_start(EX_CONFIG,
                                title_of(listener.settings) + ": " + bound_to(socket) +
                                    " is passed for it, and a Unix socket carries no TLS; remove tls");
    }
    return Nothing{};
}

UnixListener::Options unix_options(const ListenerSettings& settings) {
    constexpr int backlog = 4096;
    const std::string mode = settings.mode.empty() ? "0660" : settings.mode;
    return {"listen[].address", static_cast<unsigned>(std::stoul(mode, nullptr, 8)), settings.group, backlog};
}

// The socket was the daemon's before us, and its file is ours now.
Started adopt_file(OpenListener& listener) {
    const std::string path = listener.settings.unix_path();
    if (listener.sockets.empty() || listener.passed || path.empty()) return Nothing{};
    auto adopted = UnixListener::adopt(path, unix_options(listener.settings));
    if (!adopted) return refuse_start(adopted.error());
    listener.file.emplace(std::move(*adopted));
    return Nothing{};
}

// All workers accept at one socket: there is no SO_REUSEPORT for these.
Started open_unix(OpenListener& listener) {
    const ListenerSettings& settings = listener.settings;
    auto opened = UnixListener::open(settings.unix_path(), unix_options(settings));
    if (!opened) return refuse_start(opened.error());
    listener.file.emplace(std::move(*opened));
    listener.sockets.push_back(listener.file->take_socket());
    return Nothing{};
}

// One socket for each worker. Port 0 is chosen by the kernel for the first and is then the others'.
Started open_address(OpenListener& listener, const StartSettings& settings) {
    ListenAddress address = listen_address(listener.settings.address);
    for (size_t i = 0; i < settings.workers; ++i) {
        auto socket = listen_on(
            address,
            {.send_buffer = settings.send_buffer, .v6_only = listener.settings.ipv6only, .share = true});
        if (!socket) return refuse_start(socket.error());
        address.port = port_of(*socket);
        listener.sockets.push_back(std::move(*socket));
    }
    return Nothing{};
}

Started open_own(OpenListener& listener, const StartSettings& settings) {
    const ListenerSettings& own = listener.settings;
    if (own.address.empty())
        return refuse_start(EX_CONFIG, title_of(own) +
                                           ": the service manager passes no socket of this name; start the "
                                           "daemon by its socket unit, with FileDescriptorName=" +
                                           own.name + ", or write an address");
    return own.unix_path().empty() ? open_address(listener, settings) : open_unix(listener);
}

// Before any of ours is bound.
Started check_unused(const OpenListeners& listeners) {
    for (const OpenListener& listener : listeners) {
        const ListenerSettings& own = listener.settings;
        if (!listener.sockets.empty() || own.address.empty() || !own.unix_path().empty()) continue;
        if (auto unused = check_unused(listen_address(own.address), own.ipv6only); !unused)
            return refuse_start(unused.error());
    }
    return Nothing{};
}

void warn_of_missing(const ListenerSettings& listener) {
    log_event(Level::warn, "socket-missing",
              "the service manager passes sockets, but none named " + listener.name +
                  "; listening on its address instead",
              {{"address", listener.address}});
}

std::string addresses_of(const OpenListener& listener) {
    std::string out;
    std::string last;
    for (const FileDescriptor& socket : listener.sockets) {
        std::string address = bound_to(socket);
        if (!address.starts_with("unix:")) address.insert(0, listener.tls ? "https://" : "http://");
        if (address == last) continue;  // one for each worker
        out += (out.empty() ? "" : ", ") + address;
        last = std::move(address);
    }
    return out;
}

}  // namespace

Result<OpenListeners, StartError> open_listeners(const StartSettings& settings,
                                                 const std::vector<std::shared_ptr<const TlsSide>>& tls,
                                                 GivenSockets& given) {
    OpenListeners out;
    const bool passed = given.of_manager();
    for (size_t i = 0; i < settings.listeners.size(); ++i) {
        OpenListener& listener =
            out.emplace_back(OpenListener{settings.listeners[i], tls[i], {}, false, {}, {}, 0});
        GivenListener found =
            given.take(GivenListener::Use::clients, listener.settings.name, listener.settings.address);
        listener.passed = !found.name.empty();
        listener.sockets = std::move(found.sockets);
        if (auto adopted = adopt_file(listener); !adopted) return failure(StartError(adopted.error()));
        if (auto good = check_given(listener, settings.send_buffer); !good)
            return failure(StartError(good.error()));
    }
    if (auto taken = given.check_all_taken(); !taken) return failure(StartError(taken.error()));
    if (auto unused = check_unused(out); !unused) return failure(StartError(unused.error()));
    for (OpenListener& listener : out) {
        if (listener.sockets.empty()) {
            if (auto opened = open_own(listener, settings); !opened)
                return failure(StartError(opened.error()));
            if (passed && !listener.settings.name.empty()) warn_of_missing(listener.settings);
        }
        listener.shown = addresses_of(listener);
    }
    return out;
}

Result<OpenListener, StartError> open_listener(const ListenerSettings& own,
                                               const std::shared_ptr<const TlsSide>& tls, GivenListener found,
                                               const StartSettings& settings) {
    OpenListener listener{own, tls, std::move(found.sockets), !found.name.empty(), {}, {}, 0};
    if (auto good = check_given(listener, settings.send_buffer); !good)
        return failure(StartError(good.error()));
    if (listener.sockets.empty()) {
        if (auto opened = open_own(listener, settings); !opened) return failure(StartError(opened.error()));
    }
    listener.shown = addresses_of(listener);
    return listener;
}

Result<OpenListener, StartError> open_again(const OpenListener& listener, const ListenerSettings& own,
                                            const std::shared_ptr<const TlsSide>& tls) {
    OpenListener again{own, tls, {}, listener.passed, {}, {}, 0};
    for (const FileDescriptor& socket : listener.sockets) {
        again.sockets.push_back(socket.share());
        if (!again.sockets.back().open())
            return refuse_start(EX_OSERR, title_of(own) + ": " + std::strerror(errno));
        if (tls && is_unix_socket(socket))
            return refuse_start(EX_CONFIG, title_of(own) + ": a Unix socket carries no TLS; remove tls");
    }
    again.shown = addresses_of(again);
    return again;
}

Started check_openable(const ListenerSettings& own, bool given, bool shared) {
    if (given) return Nothing{};
    if (own.address.empty())
        return refuse_start(EX_CONFIG, title_of(own) +
                                           ": no socket of this name was passed when the daemon was started; "
                                           "restart it by its socket unit, with FileDescriptorName=" +
                                           own.name + ", or write an address");
    if (!own.unix_path().empty()) {
        auto unused = UnixListener::check_unused(own.unix_path(), unix_options(own));
        return unused ? Started(Nothing{}) : refuse_start(unused.error());
    }
    if (shared) return Nothing{};
    auto unused = check_unused(listen_address(own.address), own.ipv6only);
    return unused ? Started(Nothing{}) : refuse_start(unused.error());
}

bool have_one_port(const ListenerSettings& a, const ListenerSettings& b) {
    const auto port = [](const ListenerSettings& of) {
        return of.address.empty() || !of.unix_path().empty() ? uint16_t{0} : listen_address(of.address).port;
    };
    return port(a) != 0 && port(a) == port(b);
}

std::string shown_as(const ListenerSettings& own, bool tls) {
    if (own.address.empty()) return own.name;
    if (!own.unix_path().empty()) return own.address;
    return (tls ? "https://" : "http://") + own.address;
}

GivenListener to_give_back(OpenListener listener) {
    return {GivenListener::Use::any, listener.settings.name, {}, std::move(listener.sockets)};
}

Result<WorkerListener, StartError> listener_of_worker(const OpenListener& listener, size_t worker,
                                                      size_t workers) {
    WorkerListener out;
    const size_t sockets = listener.sockets.size();
    const bool dealt = sockets >= workers && shares_port(listener.sockets.front());
    for (size_t i = 0; i < sockets; ++i) {
        if (dealt && i % workers != worker) continue;
        out.sockets.push_back(listener.sockets[i].share());
        if (!out.sockets.back().open())
            return refuse_start(EX_OSERR, title_of(listener.settings) + ": " + std::strerror(errno));
    }
    out.number = listener.number;
    out.tls = listener.tls != nullptr;
    out.proxy_protocol = listener.settings.proxy_protocol;
    out.side = {{listener.settings.certificate, listener.settings.key}, listener.tls};
    out.serves_clients = listener.settings.serves("clients");
    out.serves_api = listener.settings.serves("api");
    return out;
}

Result<std::vector<WorkerListener>, StartError> listeners_of_worker(const OpenListeners& listeners,
                                                                    size_t worker, size_t workers) {
    std::vector<WorkerListener> out;
    for (const OpenListener& listener : listeners) {
        auto own = listener_of_worker(listener, worker, workers);
        if (!own) return failure(StartError(own.error()));
        out.push_back(std::move(*own));
    }
    return out;
}

GivenListener to_hand_on(const OpenListener& listener) {
    GivenListener out{GivenListener::Use::clients, {}, {}, {}};
    // As it is found again: what a service manager has bound need not be what the address says.
    (listener.passed ? out.name : out.address) =
        listener.passed ? listener.settings.name : listener.settings.address;
    for (const FileDescriptor& socket : listener.sockets) out.sockets.push_back(socket.share());
    return out;
}

Result<FileDescriptor, StartError> open_admin_socket(const StartSettings& settings, GivenSockets& given,
                                                     bool& passed) {
    GivenListener found = given.take(GivenListener::Use::admin, settings.admin_name, settings.admin_address);
    passed = !found.name.empty();
    const std::string title = "admin.name = \"" + settings.admin_name + "\": ";
    if (found.sockets.size() > 1)
        return refuse_start(EX_CONFIG, title +
                                           "the service manager passes several sockets of this name; write "
                                           "one ListenStream= in its unit");
    if (!found.sockets.empty()) {
        const auto ready = prepare_given(found.sockets.front(), 0);
        if (!ready) return refuse_start(EX_CONFIG, title + "the socket cannot be used: " + ready.error());
        return std::move(found.sockets.front());
    }
    if (settings.admin_address.empty() && settings.admin_name.empty()) return FileDescriptor();
    if (settings.admin_address.empty())
        return refuse_start(EX_CONFIG, title +
                                           "the service manager passes no socket of this name; check "
                                           "FileDescriptorName= of its unit, or write an address");
    auto socket = listen_on(listen_address(settings.admin_address), {});
    if (!socket) return refuse_start(socket.error());
    return std::move(*socket);
}

}  // namespace wayleave
