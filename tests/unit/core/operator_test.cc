// What an operator asks of the connections of a worker, and what he is told of them.
#include "daemon/session/operator_requests.h"

#include <catch2/catch.hpp>

#include "daemon/session/refusal_words.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string rooms = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub  : string required
    claim pin  : string else "none" secret
}
route chat /chat {
    auth    = session
    origins = { none }
    allow connect
    deny  connect if user.sub == "mallory" because "mallory is not welcome"
    join user/{user.sub}
    allow subscribe on room/:room
    deny  subscribe on room/staff if user.pin != "1234" because "only staff"
    limit messages to 100/s per user.sub
    message say { field room : string required  allow  publish to room/{room} }
}
)";

std::string as(const std::string& user) {
    return "/chat?token=%7B%22sub%22:%22" + user + "%22%7D";
}

std::string field(const Event& event, std::string_view key) {
    for (const EventField& one : event.fields)
        if (one.key == key) return one.value;
    return {};
}

std::vector<std::string> traced(World& world) {
    std::vector<std::string> out;
    for (const Event& event : world.gateway->actions().events)
        if (event.traced) out.push_back(std::string(event.name) + " " + field(event, "target"));
    world.gateway->actions().events.clear();
    return out;
}

}  // namespace

TEST_CASE("what a watched user does is told of, and of nobody else anything") {
    World world(rooms);
    const ConnectionId ann = world.connect(as("ann"));
    const ConnectionId ben = world.connect(as("ben"));
    for (const ConnectionId id : {ann, ben}) world.say(id, R"({"type":"$subscribe","channel":"room/hall"})");
    CHECK(traced(world).empty());
    world.gateway->watch(std::make_shared<TraceFilters>(TraceFilters{{.who = "ann"}}));
    world.say(ben, R"({"type":"$subscribe","channel":"room/attic"})");
    CHECK(traced(world).empty());
    world.say(ann, R"({"type":"$subscribe","channel":"room/staff"})");
    CHECK(traced(world) ==
          std::vector<std::string>{"message-received room/staff", "message-refused room/staff"});
    world.say(ben, R"({"type":"say","room":"hall"})");
    CHECK(traced(world) == std::vector<std::string>{"delivered room/hall"});
    world.gateway->watch(nullptr);
    world.say(ann, R"({"type":"$subscribe","channel":"room/staff"})");
    CHECK(traced(world).empty());
}

TEST_CASE("a line of the policy can be watched, also at the door") {
    World world(rooms);
    const std::string place = "test.route:12";
    world.gateway->watch(std::make_shared<TraceFilters>(TraceFilters{{.rule = place}}));
    (void)world.connect(as("mallory"));
    const ConnectionId ann = world.connect(as("ann"));
    world.say(ann, R"({"type":"$subscribe","channel":"room/staff"})");
    CHECK(traced(world) == std::vector<std::string>{"handshake-refused /chat"});
}

TEST_CASE("a turn tells of so much, and says what it left out") {
    World world(rooms);
    const ConnectionId ann = world.connect(as("ann"));
    world.gateway->watch(std::make_shared<TraceFilters>(TraceFilters{{.user = "ann"}}));
    for (int i = 0; i < 300; ++i) world.say(ann, R"({"type":"$presence","channel":"room/none"})");
    CHECK(world.gateway->actions().events.size() <= 256);
    CHECK(world.counters.events_lost.get() > 0);
    (void)traced(world);
    world.say(ann, R"({"type":"$presence","channel":"room/none"})");
    REQUIRE_FALSE(world.gateway->actions().events.empty());
    CHECK_FALSE(field(world.gateway->actions().events.front(), "missed").empty());
}

TEST_CASE("a refusal brings the line in words and what was known, but no secret") {
    World world(rooms);
    const ConnectionId ann = world.connect(as("ann"));
    world.gateway->actions().events.clear();
    world.say(ann, R"({"type":"$subscribe","channel":"room/staff"})");
    REQUIRE(world.gateway->actions().events.size() == 1);
    const Event& event = world.gateway->actions().events[0];
    CHECK_THAT(field(event, "rule_text"), StartsWith("deny subscribe on room/staff if not (user.pin"));
    CHECK_THAT(field(event, "facts"), Contains(R"(user.sub is "ann")") && Contains("user.pin is (secret)"));
    CHECK_THAT(field(event, "rule_holds"), StartsWith("not user.pin") && Contains("user.pin is (secret)"));
    // Before the token is read, nothing is known of its claims.
    world.gateway->actions().events.clear();
    (void)world.connect("/chat?token=bad");
    REQUIRE(world.gateway->actions().events.size() == 1);
    CHECK_THAT(field(world.gateway->actions().events[0], "facts"),
               Contains("ip is 10.0.0.1") && !Contains("user.sub"));
}

TEST_CASE("a line is found by its place: a rule, a limit, a field") {
    World world(rooms);
    const dsl::Route& route = *world.runtime->policy->routes[0];
    CHECK(rule_in_words(route, "").empty());
    CHECK(rule_in_words(route, "test.route:99:1").empty());
    REQUIRE(route.limits.size() == 1);
    CHECK_THAT(rule_in_words(route, route.limits[0].place), Contains("100/s"));
    REQUIRE(route.messages.size() == 1);
    CHECK_THAT(rule_in_words(route, route.messages[0].fields[0].place), Contains("room"));
}

TEST_CASE("channels are walked with their subscribers, each once") {
    World world(rooms);
    for (const char* user : {"ann", "ben", "cleo"}) {
        const ConnectionId id = world.connect(as(user));
        world.say(id, R"({"type":"$subscribe","channel":"room/hall"})");
    }
    std::map<std::string, size_t> seen;
    size_t next = 0;
    while (!world.gateway->walk_channels(next, [&](const ChannelSummary& channel) {
        CHECK(seen.emplace(channel.name, channel.subscribers).second);
    })) {
    }
    CHECK(seen == std::map<std::string, size_t>{
                      {"room/hall", 3}, {"user/ann", 1}, {"user/ben", 1}, {"user/cleo", 1}});
}

TEST_CASE("who is chosen ends in good order, some at a time") {
    World world(rooms);
    const ConnectionId ann = world.connect(as("ann"));
    const ConnectionId ben = world.connect(as("ben"));
    (void)world.read(ann);
    size_t next = 0;
    const Farewell farewell{4403, "disconnected", "go home", -1};
    const auto is_ann = [](const OpenConnection& open) { return open.user == "ann"; };
    while (!world.gateway->end(next, 1, is_ann, farewell, world.now)) {
    }
    CHECK_THAT(world.read(ann), Contains(R"("type":"$bye","code":4403)") && Contains("go home"));
    CHECK_THAT(world.read(ben), !Contains("$bye"));
}
