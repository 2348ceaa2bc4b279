// Listening sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/base/file_descriptor.h"
#include "dsl/policy/value.h"
#include "dsl/text/result.h"

struct sockaddr_storage;

namespace wayleave {

struct ListenAddress {
    std::string host;  // IPv4 or IPv6, numeric; a link-local one with its zone, "fe80::1%eth0"
    uint16_t port = 0;

    [[nodiscard]] std::string text() const;  // "127.0.0.1:8080", "[::1]:8080"
};

struct ListenOptions {
    size_t send_buffer = 0;  // SO_SNDBUF of the connections, 0: the system's
    bool v6_only = true;     // an IPv6 address takes no IPv4 connections
    bool share = false;      // several sockets of this process on one port (SO_REUSEPORT)
};

struct ListenError {
    int code = 0;      // errno
    std::string text;  // "ADDRESS: reason; remedy"
};

// Listens, non-blocking. Connections inherit TCP_NODELAY, SO_SNDBUF and the keep-alive from the listener,
// which saves three system calls for each.
[[nodiscard]] Result<FileDescriptor, ListenError> listen_on(const ListenAddress& address,
                                                            const ListenOptions& options);

// The same for a socket that somebody else has bound and listens on. Error: not TCP nor a Unix stream, or it
// does not listen.
[[nodiscard]] Result<Nothing> prepare_given(const FileDescriptor& socket, size_t send_buffer);

// Whether another socket, of whatever process, listens there. With SO_REUSEPORT a second daemon of the same
// user would otherwise silently take half of the first one's connections.
[[nodiscard]] Result<Nothing, ListenError> check_unused(const ListenAddress& address, bool v6_only = true);

// The port that the kernel chose for port 0.
[[nodiscard]] uint16_t port_of(const FileDescriptor& socket);

// What it is bound to: "127.0.0.1:8080", "[fe80::1%eth0]:8080", "unix:/run/ws.sock"; "?" where the kernel
// does not say.
[[nodiscard]] std::string bound_to(const FileDescriptor& socket);

[[nodiscard]] bool is_unix_socket(const FileDescriptor& socket);

// Other sockets may listen on its port beside it (SO_REUSEPORT).
[[nodiscard]] bool shares_port(const FileDescriptor& socket);

[[nodiscard]] dsl::Address address_of(const sockaddr_storage& peer);

}  // namespace wayleave
