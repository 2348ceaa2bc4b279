#include "daemon/edge/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>

using namespace wayleave;

namespace {

int option(int fd, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    REQUIRE(getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

FileDescriptor connect_to(uint16_t port) {
    FileDescriptor fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

}  // namespace

TEST_CASE("a descriptor has one owner", "[socket]") {
    FileDescriptor first(dup(0));
    const int number = first.get();
    FileDescriptor second(std::move(first));
    CHECK(second.get() == number);
    FileDescriptor third;
    CHECK_FALSE(third.open());
    third = std::move(second);
    CHECK(third.get() == number);
    third.close();
    CHECK(fcntl(number, F_GETFD) == -1);
}

TEST_CASE("connections inherit what is set on the listener", "[socket]") {
    const auto listener = listen_on({"127.0.0.1", 0}, {.send_buffer = 65536});
    REQUIRE(listener);
    const uint16_t port = port_of(*listener);
    REQUIRE(port != 0);
    const auto client = connect_to(port);
    const FileDescriptor accepted(accept(listener->get(), nullptr, nullptr));
    REQUIRE(accepted.open());
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option(accepted.get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(accepted.get(), SOL_SOCKET, SO_SNDBUF) ==
          2 * 65536);  // the kernel doubles it for its own use
    CHECK(option(accepted.get(), IPPROTO_TCP, TCP_USER_TIMEOUT) == 30'000);
}

TEST_CASE("a port that is in use is noticed, although ports can be shared", "[socket]") {
    const auto first = listen_on({"127.0.0.1", 0}, {.share = true});
    REQUIRE(first);
    const ListenAddress address{"127.0.0.1", port_of(*first)};
    const auto second = listen_on(address, {.share = true});
    CHECK(second);

    const auto unused = check_unused(address);
    REQUIRE_FALSE(unused);
    CHECK(unused.error().code == EADDRINUSE);
    CHECK_THAT(unused.error().text, Catch::StartsWith(address.text() + ": Address already in use; "));
    CHECK(check_unused({"127.0.0.1", 0}));

    const auto alone = listen_on(address, {});
    REQUIRE_FALSE(alone);
    CHECK(alone.error().code == EADDRINUSE);
}

TEST_CASE("an address that this machine does not have", "[socket]") {
    const auto listener = listen_on({"192.0.2.1", 0}, {});
    REQUIRE_FALSE(listener);
    CHECK(listener.error().code == EADDRNOTAVAIL);
    CHECK(listener.error().text ==
          "192.0.2.1:0: Cannot assign requested address; no interface of this machine has that "
          "address");
}

TEST_CASE("addresses of peers", "[socket]") {
    sockaddr_storage storage{};
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
    std::memcpy(&storage, &v4, sizeof v4);
    CHECK(address_of(storage).text() == "10.1.2.3");

    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    std::memcpy(&storage, &v6, sizeof v6);
    CHECK(address_of(storage).text() == "2001:db8::1");
}

TEST_CASE("an IPv6 address takes IPv4 connections where that is wanted", "[socket]") {
    const auto only = listen_on({"::", 0}, {});
    if (!only) return;  // a machine without IPv6
    CHECK(option(only->get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    const auto both = listen_on({"::", 0}, {.v6_only = false});
    REQUIRE(both);
    const FileDescriptor client = connect_to(port_of(*both));
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    FileDescriptor accepted;
    while (!accepted.open())
        accepted = FileDescriptor(accept(both->get(), reinterpret_cast<sockaddr*>(&from), &size));
    CHECK(address_of(from).text() == "127.0.0.1");
}

TEST_CASE("a zone names an interface", "[socket]") {
    const auto missing = listen_on({"fe80::1%nosuchdev", 0}, {});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ENODEV);
    CHECK_THAT(missing.error().text,
               Catch::Contains("[fe80::1%nosuchdev]:0: ") && Catch::Contains("ip link"));
}

TEST_CASE("a socket that somebody else has bound is made fit", "[socket]") {
    const FileDescriptor fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK_THAT(prepare_given(fd, 0).error(), Catch::Contains("does not listen"));
    REQUIRE(listen(fd.get(), 1) == 0);
    REQUIRE(prepare_given(fd, 65536));
    CHECK((fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(option(fd.get(), IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option(fd.get(), SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK(option(fd.get(), SOL_SOCKET, SO_SNDBUF) >= 65536);
    CHECK(bound_to(fd) == "127.0.0.1:" + std::to_string(port_of(fd)));
    CHECK_FALSE(is_unix_socket(fd));
    CHECK_FALSE(shares_port(fd));
    CHECK(shares_port(*listen_on({"127.0.0.1", 0}, {.share = true})));
    const FileDescriptor other = fd.share();
    CHECK(other.open());
    CHECK(other.get() != fd.get());
    CHECK(bound_to(other) == bound_to(fd));
}

TEST_CASE("what nobody can listen at is refused", "[socket]") {
    const FileDescriptor datagrams(socket(AF_INET, SOCK_DGRAM, 0));
    const FileDescriptor packets(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    for (const FileDescriptor* one : {&datagrams, &packets})
        CHECK_THAT(prepare_given(*one, 0).error(), Catch::Contains("no TCP socket and no Unix stream"));
    CHECK_FALSE(prepare_given(FileDescriptor(), 0));
    CHECK(bound_to(FileDescriptor()) == "?");
}
