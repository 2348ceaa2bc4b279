// What the transport does to peers of every kind, over real sockets; the time is told.
#include "daemon/edge/transport.h"

#include <catch2/catch.hpp>

#include "daemon/message/backend.h"
#include "tests/unit/core/gateway_fixture.h"
#include "tests/unit/edge/socket_pair.h"

using namespace wayleave;
using namespace wayleave::test;

namespace {

const std::string policy = R"(
defaults { auth = none  idle_timeout = 0s  ping_every = 0s  max_message = 1mb }
route echo /chat { dialect = "echo"  allow connect }
backend app { url = "http://127.0.0.1:1" }
route pages /pages { idle_timeout = 0s  allow connect  proxy to app http }
route talk /talk { idle_timeout = 2s  allow connect  message say { allow publish to room } }
)";
constexpr GatewaySettings patient{
    .max_queue_bytes = 100 << 20, .max_queue_messages = 1'000'000, .max_queue_age_ms = 3'600'000};

struct Edge : World {
    Edge() : World(policy, patient) {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        app->url = "http://127.0.0.1:1";
        runtime->backends = {app};
        transports = std::make_unique<Transports>(
            Transports::Parts{loop, *gateway, counters, quota, now, report, pressure}, 10'000);
    }
    // An upgraded connection; the peer's end.
    FileDescriptor enter(SocketPair pair, const std::string& path = "/chat") {
        REQUIRE(quota.enter() == ConnectionQuota::Verdict::enters);
        const Peer from{*dsl::parse_address("10.0.0.1"), false};
        REQUIRE(quota.take_place(from.ip, false));
        transports->adopt(std::move(pair.ours), Transports::plain, from);
        const std::string head =
            "GET " + path +
            " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        REQUIRE(test::say(pair.peer, head) == head.size());
        std::string answer;
        for (int i = 0; i < 1000 && answer.find("\r\n\r\n") == std::string::npos; ++i) {
            spin();
            answer += hear(pair.peer);
        }
        REQUIRE_THAT(answer, Catch::StartsWith("HTTP/1.1 101 "));
        return std::move(pair.peer);
    }
    void spin() {
        ev_run(loop.raw(), EVRUN_NOWAIT);
        transports->work_off();
    }
    // Says it, although it does not read, until we do not read either; how much was said.
    size_t stall(const FileDescriptor& peer, const std::string& bytes) {
        size_t said = 0;
        for (int quiet = 0; quiet < 20; ++quiet) {
            const size_t more = test::say(peer, std::string_view(bytes).substr(said));
            if (more > 0) quiet = 0;
            said += more;
            spin();
        }
        return said;
    }
    void after(int64_t ms) {
        now.steady_ms += ms;
        transports->tick();
    }
    [[nodiscard]] uint64_t slow() const { return counters.refused[static_cast<size_t>(Reason::slow)].get(); }

    Loop loop;
    ConnectionQuota quota{100};
    Pressure pressure;
    EdgeReport report = [](const Event&) {};
    std::unique_ptr<Transports> transports;
};

SocketPair small_pair() {
    SocketPair pair = local_pair();
    set_option(pair.ours, SO_SNDBUF, 4096);
    return pair;
}

std::string many_echoes() {
    std::string out;
    for (int i = 0; i < 400; ++i) out += masked(Opcode::text, std::to_string(i) + std::string(5000, 'x'));
    return out;
}

std::string echoes(int count) {
    std::string out;
    for (int i = 0; i < count; ++i)
        out += encode_frame(Opcode::text, std::to_string(i) + std::string(5000, 'x'));
    return out;
}

}  // namespace

TEST_CASE("messages of one turn are one write", "[transport]") {
    Edge edge;
    const FileDescriptor peer = edge.enter(local_pair());
    const uint64_t before = edge.counters.writes.get();
    std::string burst;
    for (int i = 0; i < 20; ++i) burst += masked(Opcode::text, "hello");
    REQUIRE(say(peer, burst) == burst.size());
    edge.spin();
    CHECK(edge.counters.writes.get() == before + 1);
    CHECK(hear(peer).size() == 20 * 7);
}

TEST_CASE("a turn writes so much to one, and goes on in the next", "[transport]") {
    Edge edge;
    SocketPair pair = local_pair();
    set_option(pair.ours, SO_SNDBUF, 4 << 20);
    const FileDescriptor peer = edge.enter(std::move(pair));
    const std::string large(60'000, 'y');
    for (int i = 0; i < 6; ++i) {
        // Into the queue alone: only the end of the turn writes.
        std::string frame = masked(Opcode::binary, large);
        edge.gateway->received({0, 1}, frame, edge.now);
    }
    const uint64_t before = edge.counters.writes.get();
    edge.transports->work_off();
    CHECK(edge.counters.writes.get() - before <= 4);
    std::string heard;
    for (int i = 0; i < 50; ++i) {
        heard += hear(peer);
        edge.spin();
    }
    CHECK(heard.size() == 6 * (4 + large.size()));
}

TEST_CASE("a peer that does not read is not read from, and gets all when it reads", "[transport]") {
    Edge edge;
    const FileDescriptor peer = edge.enter(small_pair());
    const std::string all = many_echoes();
    const size_t said = edge.stall(peer, all);
    CHECK(said < all.size());
    CHECK(edge.gateway->output({0, 1})->bytes() < 200'000);
    std::string rest = all.substr(said);
    std::string heard;
    const std::string expected = echoes(400);
    for (int i = 0; i < 100'000 && heard.size() < expected.size(); ++i) {
        rest.erase(0, say(peer, rest));
        heard += hear(peer, 3000);
        edge.spin();
    }
    CHECK((heard == expected));
    CHECK(edge.gateway->output({0, 1})->empty());
    // Time passes for nobody who has taken all.
    edge.after(60'000);
    CHECK(edge.transports->sockets() == 1);
}

TEST_CASE("a peer that takes nothing for 30 seconds is gone, and one that takes a little is not",
          "[transport]") {
    Edge edge;
    const FileDescriptor stuck = edge.enter(small_pair());
    const FileDescriptor drips = edge.enter(small_pair());
    (void)edge.stall(stuck, many_echoes());
    (void)edge.stall(drips, many_echoes());
    for (int seconds = 0; seconds < 29; ++seconds) {
        (void)hear(drips, 5000);
        edge.spin();
        edge.after(1000);
    }
    CHECK(edge.transports->sockets() == 2);
    edge.after(1000);
    CHECK(edge.transports->sockets() == 1);
    CHECK(edge.slow() == 1);
    CHECK(edge.gateway->sockets() == 1);
    CHECK(edge.quota.inside() == 1);
}

TEST_CASE("one that has said that it is finished has 5 seconds to take what waits", "[transport]") {
    Edge edge;
    const FileDescriptor peer = edge.enter(small_pair());
    (void)edge.stall(peer, many_echoes());
    shutdown(peer.get(), SHUT_WR);
    for (int i = 0; i < 5; ++i) edge.spin();
    edge.after(4000);
    CHECK(edge.transports->sockets() == 1);
    edge.after(1000);
    CHECK(edge.transports->sockets() == 0);
    CHECK(edge.slow() == 1);
}

TEST_CASE("a half close ends a connection for which nothing waits", "[transport]") {
    Edge edge;
    const FileDescriptor peer = edge.enter(tcp_pair());
    shutdown(peer.get(), SHUT_WR);
    for (int i = 0; i < 100 && edge.transports->sockets() > 0; ++i) edge.spin();
    CHECK(edge.transports->sockets() == 0);
    CHECK(edge.gateway->sockets() == 0);
    CHECK(edge.slow() == 0);
}

TEST_CASE("who has said all of a request hears the answer, and its end shows", "[transport]") {
    Edge edge;
    const auto ask = [&](SocketPair pair) {
        REQUIRE(edge.quota.enter() == ConnectionQuota::Verdict::enters);
        const Peer from{*dsl::parse_address("10.0.0.1"), false};
        REQUIRE(edge.quota.take_place(from.ip, false));
        edge.transports->adopt(std::move(pair.ours), Transports::plain, from);
        REQUIRE(say(pair.peer, "GET /pages HTTP/1.1\r\nHost: a\r\n\r\n") > 0);
        shutdown(pair.peer.get(), SHUT_WR);
        for (int i = 0; i < 20; ++i) edge.spin();
        return std::move(pair.peer);
    };
    FileDescriptor peer = ask(tcp_pair());
    const uint64_t number = edge.gateway->actions().dials.back().number;
    CHECK(edge.transports->sockets() == 1);
    CHECK_THAT(hear(peer), Catch::Equals("HTTP/1.1 100 Continue\r\n\r\n"));
    edge.after(60'000);
    CHECK(edge.transports->sockets() == 1);
    edge.gateway->upstream_connected(number, edge.now);
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    edge.gateway->upstream_received(number, answer, edge.now);
    edge.spin();
    CHECK_THAT(hear(peer), Catch::EndsWith("\r\n\r\nok"));
    CHECK(edge.transports->sockets() == 0);

    FileDescriptor gone = ask(tcp_pair());
    CHECK(edge.transports->sockets() == 1);
    gone.close();  // with what it was told unread: a reset
    for (int i = 0; i < 100 && edge.transports->sockets() > 0; ++i) edge.after(1000);
    CHECK(edge.transports->sockets() == 0);
    CHECK(edge.quota.inside() == 0);
}

TEST_CASE("a reset while something waits ends the connection", "[transport]") {
    Edge edge;
    SocketPair pair = tcp_pair();
    set_option(pair.ours, SO_SNDBUF, 4096);
    FileDescriptor peer = edge.enter(std::move(pair));
    std::string burst = masked(Opcode::text, std::string(60'000, 'x'));
    for (int i = 0; i < 200; ++i) {
        std::string frame = burst;
        edge.gateway->received({0, 1}, frame, edge.now);
    }
    edge.transports->work_off();
    CHECK_FALSE(edge.gateway->output({0, 1})->empty());
    reset(peer);
    for (int i = 0; i < 100 && edge.transports->sockets() > 0; ++i) edge.spin();
    CHECK(edge.transports->sockets() == 0);
    CHECK(edge.gateway->sockets() == 0);
}

TEST_CASE("after the last byte the peer has a little time to close", "[transport]") {
    Edge edge;
    FileDescriptor peer = edge.enter(local_pair());
    const std::string close = masked(Opcode::close, std::string("\x03\xe8", 2));
    REQUIRE(say(peer, close) == close.size());
    edge.spin();
    CHECK(hear(peer) == std::string("\x88\x02\x03\xe8", 4));
    CHECK(ended(peer));
    CHECK(edge.gateway->sockets() == 0);
    REQUIRE(edge.transports->sockets() == 1);
    SECTION("and it does") {
        peer.close();
        edge.spin();
        CHECK(edge.transports->sockets() == 0);
    }
    SECTION("and it does not") {
        edge.after(1000);
        CHECK(edge.transports->sockets() == 1);
        edge.after(1000);
        CHECK(edge.transports->sockets() == 0);
    }
    SECTION("and it talks instead") {
        size_t said = 0;
        for (int i = 0; i < 1000 && edge.transports->sockets() > 0; ++i) {
            said += say(peer, std::string(50'000, 'z'));
            edge.spin();
        }
        CHECK(edge.transports->sockets() == 0);
        CHECK(said > 1 << 20);
    }
    CHECK(edge.quota.inside() == 0);
    CHECK(edge.slow() == 0);
}

TEST_CASE("after an error of the protocol the connection ends at once", "[transport]") {
    Edge edge;
    const FileDescriptor peer = edge.enter(local_pair());
    REQUIRE(say(peer, "\x83") == 1);  // a reserved opcode
    edge.spin();
    CHECK_THAT(hear(peer), Catch::StartsWith("\x88"));
    CHECK(ended(peer));
    CHECK(edge.gateway->sockets() == 0);
}

TEST_CASE("who ends the transports ends all connections", "[transport]") {
    Edge edge;
    const FileDescriptor open = edge.enter(local_pair());
    const FileDescriptor stalled = edge.enter(small_pair());
    const FileDescriptor lingering = edge.enter(local_pair());
    (void)edge.stall(stalled, many_echoes());
    const std::string close = masked(Opcode::close, "");
    REQUIRE(say(lingering, close) == close.size());
    edge.spin();
    REQUIRE(edge.transports->sockets() == 3);
    edge.transports.reset();
    CHECK(edge.gateway->sockets() == 0);
    CHECK(edge.quota.inside() == 0);
    CHECK(ended(open));
}

TEST_CASE("while publications find no room, who publishes is not read from, and others are", "[transport]") {
    Edge edge;
    const FileDescriptor talker = edge.enter(local_pair(), "/talk");
    const FileDescriptor other = edge.enter(local_pair(), "/talk");
    const std::string message = masked(Opcode::text, R"({"type":"say","$id":1})");
    const std::string ping = masked(Opcode::text, R"({"type":"$ping"})");
    REQUIRE(say(talker, message) == message.size());
    edge.spin();
    (void)hear(talker);
    (void)hear(other);

    edge.pressure.rise();
    REQUIRE(say(talker, ping) == ping.size());
    REQUIRE(say(other, ping) == ping.size());
    for (int i = 0; i < 5; ++i) edge.spin();
    CHECK(hear(talker).empty());
    CHECK_THAT(hear(other), Catch::Contains("$pong"));
    CHECK(edge.counters.publisher_pauses.get() == 1);
    CHECK_FALSE(edge.transports->read_again());
    for (int i = 0; i < 5; ++i) edge.spin();
    CHECK(hear(talker).empty());

    // It cannot be heard meanwhile, so that it is not idle.
    for (int seconds = 0; seconds < 10; ++seconds) {
        REQUIRE(say(other, ping) == ping.size());
        edge.spin();
        edge.later(1000);
        edge.spin();
    }
    CHECK(edge.gateway->sockets() == 2);

    CHECK(edge.pressure.fall());
    CHECK_FALSE(edge.transports->read_again());
    for (int i = 0; i < 5; ++i) edge.spin();
    CHECK_THAT(hear(talker), Catch::Contains("$pong"));
    CHECK(edge.counters.publisher_pauses.get() == 1);
    // Now it can be.
    edge.later(2100);
    edge.spin();
    CHECK_THAT(hear(talker), Catch::Contains("$bye"));
}

TEST_CASE("who is held goes on in turn, and may end meanwhile", "[transport]") {
    Edge edge;
    const std::string message = masked(Opcode::text, R"({"type":"say","$id":1})");
    std::vector<FileDescriptor> talkers;
    for (int i = 0; i < 40; ++i) talkers.push_back(edge.enter(local_pair(), "/talk"));
    for (const FileDescriptor& talker : talkers) REQUIRE(say(talker, message) == message.size());
    edge.spin();
    for (const FileDescriptor& talker : talkers) (void)hear(talker);
    edge.pressure.rise();
    for (const FileDescriptor& talker : talkers) REQUIRE(say(talker, message) == message.size());
    for (int i = 0; i < 5; ++i) edge.spin();
    CHECK(edge.counters.publisher_pauses.get() == 40);
    talkers.front().close();
    edge.spin();
    CHECK(edge.pressure.fall());
    CHECK(edge.transports->read_again());
    edge.spin();
    const auto answered = [&] {
        size_t count = 0;
        for (const FileDescriptor& talker : talkers) {
            if (talker.open() && hear(talker).find("$ok") != std::string::npos) ++count;
        }
        return count;
    };
    const size_t first = answered();
    CHECK((first == 16 || first == 15));  // the one that is gone may be among them
    CHECK(edge.transports->read_again());
    CHECK_FALSE(edge.transports->read_again());
    for (int i = 0; i < 3; ++i) edge.spin();
    CHECK(first + answered() == 39);
    CHECK(edge.transports->sockets() == 39);
}
