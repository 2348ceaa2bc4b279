// Two ends of a connection of this process, neither of which blocks: ours, and that of a peer who may be
// rude.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/edge/socket.h"

namespace wayleave::test {

struct SocketPair {
    FileDescriptor ours;
    FileDescriptor peer;
};

inline void set_option(const FileDescriptor& socket, int option, int value) {
    REQUIRE(setsockopt(socket.get(), SOL_SOCKET, option, &value, sizeof value) == 0);
}

inline SocketPair local_pair() {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// Over TCP, which alone knows resets.
inline SocketPair tcp_pair() {
    auto listener = listen_on({"127.0.0.1", 0}, {});
    REQUIRE(listener);
    FileDescriptor peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port_of(*listener));
    REQUIRE(connect(peer.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    pollfd waiting{listener->get(), POLLIN, 0};
    REQUIRE(poll(&waiting, 1, 10'000) == 1);
    FileDescriptor ours(accept4(listener->get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    REQUIRE(ours.open());
    REQUIRE(fcntl(peer.get(), F_SETFL, O_NONBLOCK) == 0);
    return {std::move(ours), std::move(peer)};
}

// Vanishes with a RST instead of a FIN.
inline void reset(FileDescriptor& socket) {
    const linger at_once{1, 0};
    REQUIRE(setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    socket.close();
}

// As much as goes; how much that was.
inline size_t say(const FileDescriptor& socket, std::string_view bytes) {
    size_t said = 0;
    while (said < bytes.size()) {
        const ssize_t n = send(socket.get(), bytes.data() + said, bytes.size() - said, MSG_NOSIGNAL);
        if (n <= 0) break;
        said += static_cast<size_t>(n);
    }
    return said;
}

// What is there, at most so much.
inline std::string hear(const FileDescriptor& socket, size_t most = SIZE_MAX) {
    std::string heard;
    std::array<char, 65536> buffer{};
    while (heard.size() < most) {
        const ssize_t n = recv(socket.get(), buffer.data(), std::min(buffer.size(), most - heard.size()), 0);
        if (n <= 0) break;
        heard.append(buffer.data(), static_cast<size_t>(n));
    }
    return heard;
}

// The other end has said that it is finished, or is gone; all that it said has been read.
inline bool ended(const FileDescriptor& socket) {
    char byte = 0;
    const ssize_t n = recv(socket.get(), &byte, 1, MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

}  // namespace wayleave::test
