#include "daemon/edge/plain_carrier.h"

#include <catch2/catch.hpp>

#include <optional>

#include "tests/unit/edge/socket_pair.h"

using namespace wayleave;
using namespace wayleave::test;

namespace {

// A connection that remembers what it is told.
struct Heard final : CarrierEvents {
    void secured(uint16_t, std::shared_ptr<const std::string>) override { FAIL("there is no TLS"); }
    bool may_read() override {
        if (!reads) carrier->read(false);
        return reads;
    }
    bool received(std::span<char> bytes) override {
        text.append(bytes.data(), bytes.size());
        largest = std::max(largest, bytes.size());
        return goes_on;
    }
    bool writeable() override {
        ++writeables;
        return goes_on;
    }
    void gone() override {
        ++ends;
        carrier.reset();  // as its owner does
    }

    std::optional<PlainCarrier> carrier;
    std::string text;
    size_t largest = 0;
    int writeables = 0;
    int ends = 0;
    bool goes_on = true;
    bool reads = true;
};

struct World {
    explicit World(SocketPair pair) : peer(std::move(pair.peer)) {
        heard.carrier.emplace(loop, std::move(pair.ours), buffer, heard);
    }
    void turn() { ev_run(loop.raw(), EVRUN_NOWAIT); }
    // Bytes of one's own until no more are taken.
    std::string fill() {
        std::string all;
        while (!heard.carrier->full()) {
            std::string piece;
            for (int i = 0; i < 10'000; ++i)
                piece += static_cast<char>('a' + (all.size() + piece.size()) % 26);
            const auto taken = heard.carrier->write(piece);
            REQUIRE(taken);
            all += piece.substr(0, *taken);
            REQUIRE(all.size() < size_t{1} << 30);
        }
        return all;
    }

    Loop loop;
    std::vector<char> buffer = std::vector<char>(1000);
    FileDescriptor peer;
    Heard heard;
};

}  // namespace

TEST_CASE("bytes come as they are, a buffer at a time", "[plain_carrier]") {
    World world(local_pair());
    const std::string text(5000, 'x');
    REQUIRE(say(world.peer, text) == text.size());
    world.turn();
    CHECK(world.heard.text.size() == 1000);
    for (int i = 0; i < 6; ++i) world.turn();
    CHECK(world.heard.text == text);
    CHECK(world.heard.largest == 1000);
    CHECK(world.heard.writeables == 0);
    CHECK(world.heard.carrier->write("hello") == 5U);
    CHECK_FALSE(world.heard.carrier->full());
    CHECK(hear(world.peer) == "hello");
    CHECK(world.heard.ends == 0);
}

TEST_CASE("what the socket does not take is not taken, and it tells when it takes more", "[plain_carrier]") {
    for (SocketPair& pair : std::array{local_pair(), tcp_pair()}) {
        set_option(pair.ours, SO_SNDBUF, 4096);
        World world(std::move(pair));
        std::string written = world.fill();
        CHECK(world.heard.carrier->write("not this") == 0U);
        for (int i = 0; i < 3; ++i) world.turn();
        CHECK(world.heard.writeables == 0);
        std::string got;
        for (int i = 0; i < 10'000 && world.heard.writeables == 0; ++i) {
            got += hear(world.peer, 10'000);
            world.turn();
        }
        CHECK(world.heard.writeables == 1);
        CHECK_FALSE(world.heard.carrier->full());
        written += world.fill();
        for (int i = 0; i < 10'000 && got.size() < written.size(); ++i) got += hear(world.peer);
        CHECK((got == written));
    }
}

TEST_CASE("writeable() is called once where it was asked for", "[plain_carrier]") {
    World world(local_pair());
    for (int i = 0; i < 3; ++i) world.turn();
    CHECK(world.heard.writeables == 0);
    world.heard.carrier->ask_writeable();
    for (int i = 0; i < 3; ++i) world.turn();
    CHECK(world.heard.writeables == 1);
}

TEST_CASE("who is not read from keeps what it says", "[plain_carrier]") {
    World world(local_pair());
    world.heard.carrier->read(false);
    REQUIRE(say(world.peer, "later") == 5);
    for (int i = 0; i < 3; ++i) world.turn();
    CHECK(world.heard.text.empty());
    world.heard.carrier->read(true);
    world.turn();
    CHECK(world.heard.text == "later");
}

TEST_CASE("it asks before it reads", "[plain_carrier]") {
    World world(local_pair());
    world.heard.reads = false;
    REQUIRE(say(world.peer, "later") == 5);
    for (int i = 0; i < 3; ++i) world.turn();
    CHECK(world.heard.text.empty());
    CHECK(world.heard.ends == 0);
    world.heard.reads = true;
    world.heard.carrier->read(true);
    world.turn();
    CHECK(world.heard.text == "later");
}

TEST_CASE("the end of a peer ends the carrier, however it goes", "[plain_carrier]") {
    SECTION("a half close") {
        World world(local_pair());
        REQUIRE(say(world.peer, "bye") == 3);
        shutdown(world.peer.get(), SHUT_WR);
        for (int i = 0; i < 3; ++i) world.turn();
        CHECK(world.heard.text == "bye");
        CHECK(world.heard.ends == 1);
        CHECK(ended(world.peer));
    }
    SECTION("a reset") {
        World world(tcp_pair());
        reset(world.peer);
        for (int i = 0; i < 100 && world.heard.ends == 0; ++i) world.turn();
        CHECK(world.heard.ends == 1);
    }
    SECTION("a reset while it writes") {
        World world(tcp_pair());
        world.heard.carrier->read(false);
        (void)world.fill();
        reset(world.peer);
        // It is told that it may write, and finds out.
        for (int i = 0; i < 100 && world.heard.writeables == 0; ++i) world.turn();
        CHECK(world.heard.writeables == 1);
        CHECK_FALSE(world.heard.carrier->write("x"));
        world.heard.carrier->close();
        CHECK(world.heard.ends == 1);
    }
    SECTION("the events wish it") {
        World world(local_pair());
        world.heard.goes_on = false;
        SECTION("when they hear something") {
            REQUIRE(say(world.peer, "x") == 1);
        }
        SECTION("when they may write") {
            world.heard.carrier->ask_writeable();
        }
        world.turn();
        CHECK(world.heard.ends == 1);
        CHECK(ended(world.peer));
    }
}

TEST_CASE("after the end of output the peer may still speak", "[plain_carrier]") {
    World world(local_pair());
    REQUIRE(world.heard.carrier->write("last") == 4U);
    world.heard.carrier->end_output();
    CHECK(hear(world.peer) == "last");
    CHECK(ended(world.peer));
    REQUIRE(say(world.peer, "well") == 4);
    world.turn();
    CHECK(world.heard.text == "well");
    CHECK(world.heard.ends == 0);
}

TEST_CASE("a descriptor that is used again is another's", "[plain_carrier]") {
    Loop loop;
    std::vector<char> buffer(1000);
    for (int i = 0; i < 20; ++i) {
        SocketPair pair = local_pair();
        FileDescriptor peer = std::move(pair.peer);
        Heard heard;
        heard.carrier.emplace(loop, std::move(pair.ours), buffer, heard);
        REQUIRE(say(peer, std::to_string(i)) > 0);
        ev_run(loop.raw(), EVRUN_NOWAIT);
        CHECK(heard.text == std::to_string(i));
        heard.carrier->close();
        CHECK(heard.ends == 1);
    }
}
