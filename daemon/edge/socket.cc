#include "daemon/edge/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace wayleave {

namespace {

constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

// A peer that vanished without a word is noticed after about two minutes when the route sends no pings, and
// after 30 s when bytes for it wait.
constexpr int keep_idle_s = 60;
constexpr int keep_interval_s = 15;
constexpr int keep_probes = 4;
constexpr unsigned user_timeout_ms = 30'000;

struct SocketAddressBytes {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

bool is_v6(const ListenAddress& address) {
    return address.host.find(':') != std::string::npos;
}

bool has_zone(const ListenAddress& address) {
    return address.host.find('%') != std::string::npos;
}

// 0: there is none, or no such interface.
uint32_t zone_of(const ListenAddress& address) {
    if (!has_zone(address)) return 0;
    const std::string zone = address.host.substr(address.host.find('%') + 1);
    uint32_t number = if_nametoindex(zone.c_str());
    if (number == 0) (void)std::from_chars(zone.data(), zone.data() + zone.size(), number);
    return number;
}

SocketAddressBytes to_bytes(const ListenAddress& address) {
    SocketAddressBytes bytes;
    if (is_v6(address)) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address.port);
        const size_t percent = std::min(address.host.find('%'), address.host.size());
        inet_pton(AF_INET6, address.host.substr(0, percent).c_str(), &v6.sin6_addr);
        v6.sin6_scope_id = zone_of(address);
        std::memcpy(&bytes.storage, &v6, sizeof v6);
        bytes.size = sizeof v6;
    } else {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address.port);
        inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr);
        std::memcpy(&bytes.storage, &v4, sizeof v4);
        bytes.size = sizeof v4;
    }
    return bytes;
}

std::string_view remedy(int code) {
    switch (code) {
        case EADDRINUSE: return "stop the other program (ss -ltnp shows it) or choose another port";
        case EADDRNOTAVAIL: return "no interface of this machine has that address";
        case EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE, or choose a higher one";
        case EMFILE:
        case ENFILE: return "raise the limit on open files";
        case ENODEV: return "write the name of an interface behind the %; ip link shows them";
        case EAFNOSUPPORT: return "the kernel has no IPv6; use an IPv4 address";
        default: return "check the address";
    }
}

Failure<ListenError> error_at(const ListenAddress& address, int code) {
    std::string text = address.text() + ": " + std::strerror(code) + "; ";
    return failure(ListenError{code, text.append(remedy(code))});
}

bool set(const FileDescriptor& socket, int level, int option, int value) {
    return setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

int get(const FileDescriptor& socket, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(socket.get(), level, option, &value, &size) == 0 ? value : -1;
}

// What the connections inherit.
bool set_inherited(const FileDescriptor& fd, size_t send_buffer) {
    constexpr size_t most = 1U << 30U;
    return set(fd, IPPROTO_TCP, TCP_NODELAY, 1) && set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keep_idle_s) &&
           set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keep_interval_s) &&
           set(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_probes) &&
           set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(user_timeout_ms)) &&
           (send_buffer == 0 ||
            set(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(std::min(send_buffer, most))));
}

Result<FileDescriptor, ListenError> bound_socket(const ListenAddress& address, bool share, bool v6_only) {
    if (has_zone(address) && zone_of(address) == 0) return error_at(address, ENODEV);
    FileDescriptor fd(
        socket(is_v6(address) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.open()) return error_at(address, errno);
    // V6ONLY: what is bound is what is written, unless the admin wants "[::]" to take 0.0.0.0 as well.
    const SocketAddressBytes bytes = to_bytes(address);
    if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || (share && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (is_v6(address) && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only ? 1 : 0)) ||
        bind(fd.get(), reinterpret_cast<const sockaddr*>(&bytes.storage), bytes.size) != 0) {
        return error_at(address, errno);
    }
    return fd;
}

}  // namespace

std::string ListenAddress::text() const {
    const std::string number = std::to_string(port);
    return is_v6(*this) ? "[" + host + "]:" + number : host + ":" + number;
}

Result<FileDescriptor, ListenError> listen_on(const ListenAddress& address, const ListenOptions& options) {
    auto bound = bound_socket(address, options.share, options.v6_only);
    if (!bound) return bound;
    const FileDescriptor& fd = *bound;
    if (!set_inherited(fd, options.send_buffer) || listen(fd.get(), backlog) != 0)
        return error_at(address, errno);
    return bound;
}

Result<Nothing> prepare_given(const FileDescriptor& socket, size_t send_buffer) {
    const int domain = get(socket, SOL_SOCKET, SO_DOMAIN);
    const bool tcp =
        (domain == AF_INET || domain == AF_INET6) && get(socket, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
    const bool stream = domain == AF_UNIX && get(socket, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
    if (!tcp && !stream) return failure("it is no TCP socket and no Unix stream socket");
    if (get(socket, SOL_SOCKET, SO_ACCEPTCONN) != 1) return failure("it does not listen");
    const int flags = fcntl(socket.get(), F_GETFL);
    if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0 || (tcp && !set_inherited(socket, send_buffer)))
        return failure(std::string("it cannot be set up: ") + std::strerror(errno));
    return Nothing{};
}

Result<Nothing, ListenError> check_unused(const ListenAddress& address, bool v6_only) {
    if (address.port == 0) return Nothing{};
    const auto probe = bound_socket(address, false, v6_only);
    if (!probe) return failure(probe.error());
    return Nothing{};
}

uint16_t port_of(const FileDescriptor& socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
    // Both families have the port at the same place.
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    return ntohs(v4.sin_port);
}

std::string bound_to(const FileDescriptor& socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "?";
    if (storage.ss_family == AF_UNIX) {
        sockaddr_un address{};
        std::memcpy(&address, &storage, std::min<size_t>(size, sizeof address));
        const std::string_view path(static_cast<const char*>(address.sun_path));
        return "unix:" + std::string(path);
    }
    std::array<char, NI_MAXHOST> host{};
    if (getnameinfo(reinterpret_cast<sockaddr*>(&storage), size, host.data(), host.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
        return "?";
    return ListenAddress{host.data(), port_of(socket)}.text();
}

bool is_unix_socket(const FileDescriptor& socket) {
    return get(socket, SOL_SOCKET, SO_DOMAIN) == AF_UNIX;
}

bool shares_port(const FileDescriptor& socket) {
    return get(socket, SOL_SOCKET, SO_REUSEPORT) == 1;
}

dsl::Address address_of(const sockaddr_storage& peer) {
    dsl::Address address;
    if (peer.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &peer, sizeof v6);
        std::memcpy(address.bytes.data(), &v6.sin6_addr, address.bytes.size());
    } else if (peer.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &peer, sizeof v4);
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(&address.bytes[12], &v4.sin_addr, 4);
    }
    return address;
}

}  // namespace wayleave
