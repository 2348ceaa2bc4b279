#include "daemon/ops/server/open_listeners.h"

#include <sysexits.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/ops/settings/value.h"

namespace wayleave {

namespace {

using TlsSides = std::vector<std::shared_ptr<const TlsSide>>;

// All workers accept at one socket: there is no SO_REUSEPORT for these.
Started open_unix(const ListenerSettings& listener, OpenListeners& out) {
    constexpr int backlog = 4096;
    const std::string mode = listener.mode.empty() ? "0660" : listener.mode;
    auto opened = UnixListener::open(
        listener.unix_path(),
        {"listen[].address", static_cast<unsigned>(std::stoul(mode, nullptr, 8)), listener.group, backlog});
    if (!opened) return refuse_start(opened.error());
    out.unix_files.push_back(std::move(*opened));
    for (auto& listeners : out.of_workers) {
        FileDescriptor socket = out.unix_files.back().share_socket();
        if (!socket.open()) return refuse_start(EX_OSERR, listener.address + ": " + std::strerror(errno));
        listeners.push_back({std::move(socket),
                             false,
                             listener.proxy_protocol,
                             {},
                             listener.serves("clients"),
                             listener.serves("api")});
    }
    (void)out.unix_files.back().take_socket();  // those of the workers are left, so that it ends with them
    out.names.push_back(listener.address);
    return Nothing{};
}

// One socket for each worker and address. Port 0 is chosen by the kernel for the first worker and is then the
// others'.
Started open_addresses(const StartSettings& settings, const TlsSides& tls, OpenListeners& out) {
    for (const ListenerSettings& listener : settings.listeners) {  // before any of ours is bound
        if (!listener.unix_path().empty()) continue;
        if (auto unused = check_unused(listen_address(listener.address), listener.ipv6only); !unused)
            return refuse_start(unused.error());
    }
    for (size_t i = 0; i < settings.listeners.size(); ++i) {
        const ListenerSettings& listener = settings.listeners[i];
        if (!listener.unix_path().empty()) {
            if (auto opened = open_unix(listener, out); !opened) return opened;
            continue;
        }
        ListenAddress address = listen_address(listener.address);
        const bool secure = !listener.certificate.empty();
        for (auto& listeners : out.of_workers) {
            auto socket = listen_on(
                address, {.send_buffer = settings.send_buffer, .v6_only = listener.ipv6only, .share = true});
            if (!socket) return refuse_start(socket.error());
            address.port = port_of(*socket);
            listeners.push_back({std::move(*socket),
                                 secure,
                                 listener.proxy_protocol,
                                 {{listener.certificate, listener.key}, tls[i]},
                                 listener.serves("clients"),
                                 listener.serves("api")});
        }
        out.names.push_back((secure ? "https://" : "http://") + address.text());
    }
    return Nothing{};
}

}  // namespace

Result<OpenListeners, StartError> open_listeners(const StartSettings& settings, const TlsSides& tls) {
    OpenListeners out;
    out.of_workers.resize(settings.workers);
    if (auto opened = open_addresses(settings, tls, out); !opened) return failure(StartError(opened.error()));
    return out;
}

ListenAddress listen_address(const std::string& text) {
    const auto address = parse_socket_address(text).value();
    return {address.host, address.port};
}

}  // namespace wayleave
