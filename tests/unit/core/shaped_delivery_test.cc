// Channels that hold back and let others overtake: `conflate`, `batch`, lanes, and what slow readers miss.
#include "tests/unit/core/told.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

struct Shaped : World {
    Shaped()
        : World(R"(
channel cursor/* { conflate = 50ms  key = none  priority = low }
channel seat/*   { conflate = 50ms  key = required }
channel feed/*   { batch = 40ms }
channel alarm    { priority = urgent  history = 5  keep = 1h }
channel ticker   { slow = newest }
channel log      { slow = drop }
route open /open {
    auth = none
    max_queue = 1kb
    idle_timeout = 0s
    ping_every = 0s
    allow connect
    allow subscribe, publish on **
    message sit { field who : string required  allow  publish to seat/a }
    message typing { field who : string required  allow  publish to cursor/a }
}
)") {}
    ConnectionId enter(const std::vector<std::string>& channels = {}) {
        const ConnectionId id = connect("/open");
        for (const std::string& channel : channels)
            say(id, R"({"type":"$subscribe","channel":")" + channel + "\"}");
        (void)frames(id);
        return id;
    }
    void publish(ConnectionId id, const std::string& channel, int n, const std::string& more = "") {
        say(id, R"({"type":"$publish","channel":")" + channel + R"(","data":{"n":)" + std::to_string(n) +
                    R"(,"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"})" + more + "}");
    }
    void after(int64_t ms) {
        now.steady_ms += ms;
        gateway->release(now);
        turn();
    }
};

}  // namespace

TEST_CASE("conflation delivers the newest of each key within its window", "[delivery]") {
    Shaped world;
    const auto writer = world.enter();
    const auto reader = world.enter({"cursor/a"});
    CHECK(world.gateway->release_at_ms() == INT64_MAX);
    world.publish(writer, "cursor/a", 1, R"(,"key":"x")");
    CHECK(told(world, reader) == Told{"1"});  // nothing to wait for
    CHECK(world.gateway->release_at_ms() == world.now.steady_ms + 50);
    world.publish(writer, "cursor/a", 2, R"(,"key":"x")");
    world.publish(writer, "cursor/a", 3, R"(,"key":"y")");
    world.publish(writer, "cursor/a", 4, R"(,"key":"x")");
    world.publish(writer, "cursor/a", 5);
    world.say(writer, R"({"type":"typing","who":"me","n":6,"$key":"y"})");
    CHECK(world.frames(reader).empty());
    world.after(49);
    CHECK(world.frames(reader).empty());
    world.after(1);
    CHECK(told(world, reader) == Told{"4", "6", "5"});
    CHECK(world.counters.conflated.get() == 2);
    world.publish(writer, "cursor/a", 7, R"(,"key":"x")");
    CHECK(world.frames(reader).empty());
    world.after(50);
    CHECK(told(world, reader) == Told{"7"});
    world.after(50);
    CHECK(world.gateway->release_at_ms() == INT64_MAX);
    world.publish(writer, "cursor/a", 8, R"(,"key":"x")");
    CHECK(told(world, reader) == Told{"8"});
    world.publish(writer, "cursor/a", 9);
    world.gone(reader);
    world.after(50);  // nobody is there any more
}

TEST_CASE("where a key is required, none hides another's last state", "[delivery]") {
    Shaped world;
    const auto writer = world.enter();
    const auto reader = world.enter({"seat/a"});
    world.say(writer, R"({"type":"$publish","$id":1,"channel":"seat/a","data":{"n":1}})");
    CHECK(world.frames(writer) ==
          Told{R"({"type":"$error","re":1,"error":"bad_message","because":"this channel needs `key`"})"});
    world.say(writer, R"({"type":"sit","$id":2,"who":"me"})");
    CHECK(world.frames(writer) ==
          Told{R"({"type":"$error","re":2,"error":"bad_message","because":"this channel needs `$key`"})"});
    CHECK(world.frames(reader).empty());
    world.publish(writer, "seat/a", 3, R"(,"key":"x")");
    world.say(writer, R"({"type":"sit","who":"me","n":4,"$key":"y"})");
    world.after(50);
    CHECK(told(world, reader) == Told{"3", "4"});
}

TEST_CASE("a batch is sent at once", "[delivery]") {
    Shaped world;
    const auto writer = world.enter();
    const auto reader = world.enter({"feed/a"});
    world.publish(writer, "feed/a", 1);
    world.publish(writer, "feed/a", 2);
    world.after(39);
    CHECK(world.frames(reader).empty());
    world.publish(writer, "feed/a", 3);
    world.after(1);
    CHECK(told(world, reader) == Told{"1", "2", "3"});
    CHECK(world.gateway->release_at_ms() == INT64_MAX);
}

TEST_CASE("an urgent channel overtakes, its own words included", "[delivery]") {
    Shaped world;
    const auto writer = world.enter();
    const auto reader = world.enter({"hall"});
    world.publish(writer, "hall", 1);
    world.publish(writer, "hall", 2);
    world.say(reader, R"({"type":"$subscribe","channel":"alarm","$id":1})");
    world.publish(writer, "alarm", 3);
    world.say(reader, R"({"type":"$unsubscribe","channel":"alarm"})");
    CHECK(told(world, reader) == Told{"$subscribed", "3", "$unsubscribed", "1", "2"});
}

TEST_CASE("a channel says what its slow readers do without, and they are told", "[delivery]") {
    for (const bool newest : {true, false}) {
        Shaped world;
        const std::string channel = newest ? "ticker" : "log";
        const auto writer = world.enter();
        const auto reader = world.enter({channel});
        for (int n = 1; n <= 20; ++n) {
            world.publish(writer, channel, n);
            world.gateway->blocked(reader, world.now);
        }
        CHECK(world.gateway->output(reader)->bytes() <= 1024);
        auto got = told(world, reader);
        REQUIRE(got.size() > 3);
        CHECK(got.front() == (newest ? "15" : "1"));
        const std::string last = world.last(reader);
        CHECK_THAT(last, Contains(R"({"type":"$dropped","messages":)"));
        CHECK(std::to_string(20 - got.size()) ==
              std::regex_replace(last, std::regex(".*messages\":(\\d+).*"), "$1"));
        CHECK(world.counters.dropped.get() == 20 - got.size());
    }
}

TEST_CASE("no more is held back than a queue takes", "[delivery]") {
    Shaped world;
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->settings.max_queue_messages = 5;
    next->generation = 1;
    world.gateway->replace(next, world.now);
    const auto writer = world.enter();
    const auto reader = world.enter({"feed/a", "cursor/a"});
    for (int n = 1; n <= 5; ++n) world.publish(writer, "feed/a", n);
    CHECK(told(world, reader) == Told{"1", "2", "3", "4", "5"});
    for (int n = 1; n <= 6; ++n)
        world.publish(writer, "cursor/a", n, R"(,"key":"k)" + std::to_string(n) + "\"");
    CHECK(told(world, reader) == Told{"1", "2", "3", "4", "5", "6"});
}

TEST_CASE("all channels together hold back no more than so much, and nothing when memory is short",
          "[delivery]") {
    Shaped world;
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->settings.max_queue_bytes = 4096;
    next->generation = 1;
    world.gateway->replace(next, world.now);
    const auto writer = world.enter();
    std::vector<std::string> channels;
    for (int i = 0; i < 90; ++i) channels.push_back("feed/" + std::to_string(i));
    const auto reader = world.enter(channels);
    size_t most = 0;
    for (int i = 0; i < 90; ++i) {
        for (int n = 0; n < 12; ++n) world.publish(writer, channels[static_cast<size_t>(i)], n);
        world.gateway->tick(world.now);
        most = std::max<size_t>(most, world.counters.gathered_bytes.get());
        (void)world.frames(reader);
    }
    CHECK(most > 32 * 1024);
    CHECK(most <= 16 * 4096 + 4096);
    world.gateway->shed(world.now);
    world.gateway->tick(world.now);
    CHECK(world.counters.gathered_bytes.get() == 0);
    CHECK(world.frames(reader).size() > 100);
}
