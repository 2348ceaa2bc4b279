// Sessions that end in the middle of an event: the lists that it walks over stay as they are until it is
// over.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

struct Ending : World {
    Ending()
        : World(R"(
channel room/** { history = 50  keep = 1h }
channel feed/*  { batch = 40ms }
route open /open {
    auth = none
    max_queue = 4kb
    max_message = 64kb
    idle_timeout = 0s
    ping_every = 0s
    errors { forbidden = close 4403 }
    allow connect
    allow subscribe on room/**, feed/*, plain, noise
    allow publish on **
}
)") {}

    ConnectionId enter(const std::vector<std::string>& channels) {
        const ConnectionId id = connect("/open");
        for (const std::string& channel : channels)
            say(id, R"({"type":"$subscribe","channel":")" + channel + "\"}");
        (void)frames(id);
        return id;
    }
    void publish(const std::string& channel, const std::string& members) {
        Draft draft;
        draft.channel = channel;
        draft.members = members;
        draft.retention = {50, 3'600'000, 0};
        if (!channel.starts_with("room/")) draft.retention = {};
        draft.now = now;
        (void)broker.publish(std::move(draft), {});
    }
    // As much as waits before the socket was offered anything: the next frame is too much.
    void fill(ConnectionId id, const std::string& channel) {
        while (gateway->output(id)->frames() < 4096 * 4) {
            publish(channel, "\"n\":0");
            turn();
        }
    }
    std::vector<std::string> numbers(ConnectionId id) {
        std::vector<std::string> out;
        for (const std::string& frame : frames(id)) {
            const size_t at = frame.find("\"n\":");
            out.push_back(at == std::string::npos ? frame : frame.substr(at + 4, 1));
        }
        return out;
    }
};

using Numbers = std::vector<std::string>;

}  // namespace

TEST_CASE("a reader that is too slow in the middle of a delivery ends after it, and all others get it",
          "[ending]") {
    // Wherever it stands in the channel's list, and with nobody else in it.
    const size_t before = GENERATE(0U, 1U, 3U);
    const size_t after = GENERATE(0U, 1U, 3U);
    const std::string channel = GENERATE(std::string("plain"), std::string("feed/a"));
    Ending world;
    std::vector<ConnectionId> others;
    for (size_t i = 0; i < before; ++i) others.push_back(world.enter({channel}));
    const auto slow = world.enter({channel, "noise"});
    for (size_t i = 0; i < after; ++i) others.push_back(world.enter({channel}));
    world.fill(slow, "noise");
    for (const char* members : {"\"n\":1", "\"n\":2", "\"n\":3"}) world.publish(channel, members);
    world.deliver(std::exchange(world.broker.pending, {}));
    world.now.steady_ms += 40;
    world.gateway->release(world.now);
    const auto frames = world.frames(slow);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("$bye") && Contains("4408"));
    CHECK_THAT(frames[1], Contains("close 4408"));
    for (const ConnectionId id : others) CHECK(world.numbers(id) == Numbers{"1", "2", "3"});
    CHECK(world.broker.channels.contains("noise") == false);
    CHECK(world.broker.channels.contains(channel) == !others.empty());
    CHECK(world.counters.refused[static_cast<size_t>(Reason::slow)].get() == 1);
}

TEST_CASE("readers whose storage fails in the middle of a delivery leave the channel after it", "[ending]") {
    Ending world;
    const auto first = world.enter({"room/a"});
    const auto second = world.enter({"room/a"});
    const auto third = world.enter({"room/a", "plain"});
    world.publish("room/a", "\"n\":1");
    world.broker.pending.clear();  // lost on its way, so that all of them are behind
    world.broker.unreadable = true;
    world.publish("room/a", "\"n\":2");
    world.publish("room/a", "\"n\":3");
    world.publish("plain", "\"n\":4");
    world.turn();
    for (const ConnectionId id : {first, second}) {
        const auto frames = world.frames(id);
        REQUIRE(frames.size() == 1);
        CHECK_THAT(frames[0], Contains("$unsubscribed") && Contains("the disk is gone"));
    }
    CHECK(world.frames(third).size() == 2);
    CHECK(world.broker.channels.contains("room/a") == false);
}

TEST_CASE("what a client says after the message that ends its session does not count", "[ending]") {
    Ending world;
    const auto id = world.enter({"plain"});
    const std::string bad = masked(Opcode::text, R"({"type":"$subscribe","channel":"secret"})");
    const std::string good = masked(Opcode::text, R"({"type":"$subscribe","channel":"noise"})");
    world.feed(id, bad + good + masked(Opcode::close, "\x03\xe8"));
    const auto frames = world.frames(id);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("$bye"));
    CHECK_THAT(frames[1], Contains("close 4403"));
    CHECK(world.gateway->closing(id));  // both have said it
    CHECK(world.broker.channels.empty());
}
