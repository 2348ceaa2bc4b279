// What a reload does to connections that are open.
#include "daemon/decision/rejection.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string base = R"(
token session { keys = file "k"  exp = optional from query "token"
    claim sub : string required  claim role : string else "guest" }
route chat /chat {
    auth = session  origins = { "https://app.example.com", none }
    allow connect
    join user/{user.sub}
    allow subscribe on room/*
    message say { allow  publish to room/hall }
}
)";

std::string as(const std::string& user, const std::string& role = "guest") {
    return "/chat?token=%7B%22sub%22:%22" + user + "%22,%22role%22:%22" + role + "%22%7D";
}

std::string with(const std::string& old, const std::string& fresh) {
    std::string text = base;
    const size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), fresh);
}

struct Reloading : World {
    Reloading() : World(base) {
        alice = connect(as("alice"));
        boss = connect(as("boss", "admin"));
        for (const ConnectionId id : {alice, boss}) {
            say(id, R"({"type":"$subscribe","channel":"room/hall"})");
            (void)read(id);
        }
    }
    std::shared_ptr<Runtime> candidate(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        return next;
    }
    void reload(const std::string& text) {
        gateway->replace(candidate(text), now);
        later(100);
    }
    ReloadImpact survey(const std::string& text) {
        ReloadImpact out;
        const auto next = candidate(text);
        while (!gateway->survey(*next, out, now)) {
        }
        return out;
    }
    ConnectionId alice;
    ConnectionId boss;
};

}  // namespace

TEST_CASE("reload: the survey knows whom a proxy closes") {
    Reloading world;
    const std::string proxied = "backend app { url = \"http://127.0.0.1:9\" }\n" +
                                base.substr(0, base.find("    join")) + "    proxy to app \"/ws\"\n}\n";
    const ReloadImpact impact = world.survey(proxied);
    CHECK(impact.ending == 2);
    CHECK(impact.staying + impact.losing == 0);
    world.reload(proxied);
    CHECK_THAT(world.last(world.alice), StartsWith("close 4403"));
}

TEST_CASE("reload: what does not change is not touched") {
    Reloading world;
    for (const std::string& same : {base, "# words\n" + base, with("allow connect\n", "\nallow connect ")}) {
        CHECK(world.survey(same).untouched == 2);
        world.reload(same);
        CHECK(world.read(world.alice).empty());
        CHECK(world.counters.reevaluated.get() == 0);
    }
    world.reload(base + "route other /other { auth = none allow connect }");
    CHECK(world.read(world.alice).empty());
    CHECK(world.counters.reevaluated.get() == 0);
}

TEST_CASE("reload: who may not connect any more is closed, the others stay") {
    Reloading world;
    const std::string edited = with("allow connect", "allow connect if user.role == \"admin\"");
    const ReloadImpact survey = world.survey(edited);
    CHECK(survey.connections == 2);
    CHECK(survey.ending == 1);
    CHECK(survey.staying == 1);
    CHECK(world.read(world.alice).empty());  // a survey changes nothing
    world.reload(edited);
    const auto frames = world.frames(world.alice);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0],
               Contains("policy_changed") && Contains("\"reconnect\":false") && Contains("no rule allows"));
    CHECK_THAT(frames[1], StartsWith("close 4403"));
    world.say(world.boss, R"({"type":"say","$id":1})");
    CHECK_THAT(world.frames(world.boss).at(0), Contains("$ok"));
    CHECK(world.counters.closed_by_policy.get() == 1);
    const auto decided = world.counters.decisions.read();
    REQUIRE(decided.size() == 1);
    const std::string now_in_force = decision_id(*policy_from(edited), "test.route:4:7");
    CHECK(decided.begin()->first == DecisionBook::Key{now_in_force, "chat", Reason::policy_changed});
    CHECK(world.counters.reevaluated.get() == 1);
}

TEST_CASE("reload: a subscription that is not allowed any more ends with a word about it") {
    Reloading world;
    const std::string edited =
        with("allow subscribe on room/*", "allow subscribe on room/* if user.role == \"admin\"");
    const ReloadImpact survey = world.survey(edited);
    CHECK(survey.losing == 1);
    CHECK(survey.subscriptions_lost == 1);
    world.reload(edited);
    CHECK(
        world.frames(world.alice) ==
        std::vector<std::string>{
            R"({"type":"$unsubscribed","channel":"room/hall","reason":"policy_changed","because":"no rule allows this"})"});
    world.say(world.boss, R"({"type":"say"})");
    CHECK(world.read(world.alice).empty());
    CHECK_THAT(world.last(world.boss), Contains("room/hall"));
}

TEST_CASE("reload: joins come and go") {
    Reloading world;
    const std::string edited = with("join user/{user.sub}", "join team/{user.role}");
    CHECK(world.survey(edited).channels_joined == 2);
    world.reload(edited);
    const auto frames = world.frames(world.alice);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("$unsubscribed") && Contains("user/alice") && Contains("does not join"));
    CHECK_THAT(frames[1], Contains("$subscribed") && Contains("team/guest"));
    CHECK(world.broker.channels.contains("team/admin"));
    CHECK_FALSE(world.broker.channels.contains("user/alice"));
}

TEST_CASE("reload: keep and close, as the route says") {
    SECTION("keep: who is there stays, with all channels; what it does is decided anew") {
        Reloading world;
        world.reload(with("allow connect\n",
                          "on_policy_change = keep allow connect if user.role == \"nobody\" deny message\n"));
        CHECK(world.read(world.alice).empty());
        world.say(world.alice, R"({"type":"say","$id":1})");
        CHECK_THAT(world.last(world.alice), Contains("forbidden"));
    }
    SECTION("close: all are invited to come again") {
        Reloading world;
        const std::string edited = with("allow connect\n", "on_policy_change = close allow connect\n");
        CHECK(world.survey(edited).returning == 2);
        world.reload(edited);
        const auto frames = world.frames(world.alice);
        REQUIRE(frames.size() == 2);
        CHECK_THAT(frames[0], Contains("\"code\":1012") && Contains("after_ms"));
        CHECK_THAT(frames[1], StartsWith("close 1012"));
    }
    SECTION("the route's own outcome") {
        Reloading world;
        world.reload(with("allow connect\n",
                          "on_policy_change = close errors { policy_changed = close 4999 } allow connect\n"));
        CHECK_THAT(world.last(world.alice), StartsWith("close 1012"));  // the old policy had no word for it
    }
}

TEST_CASE("reload: what a connection never said, it is asked to come again for") {
    Reloading world;
    SECTION("a claim") {
        world.reload(with("claim role", "claim team : string else \"a\" claim role"));
    }
    SECTION("another issuer") {
        world.reload(with("from query", "issuer = \"x\" from query"));
    }
    SECTION("another token") {
        world.reload(
            with("auth = session", "auth = other") +
            "token other { keys = file \"o\" from query \"t\" claim sub : string required claim role : "
            "string else \"\" }");
    }
    SECTION("another route at part of its addresses") {
        Reloading many;
        many.reload(with("route chat /chat", "route chat /chat, /chat2"));
        many.reload(with("route chat /chat", "route chat /chat2") +
                    "route other /chat { auth = none allow connect }");
        CHECK_THAT(many.last(many.alice), StartsWith("close 1012"));
        return;
    }
    const auto frames = world.frames(world.alice);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[1], StartsWith("close 1012"));
}

TEST_CASE("reload: who came by an address that is gone is not asked to come again") {
    Reloading world;
    world.reload(with("route chat /chat", "route chat /chat2"));
    CHECK_THAT(world.last(world.alice), StartsWith("close 4403"));
}

TEST_CASE("reload: a route that takes over the addresses of another takes over its connections") {
    Reloading world;
    world.reload(
        with("route chat /chat", "route chat /chat2") +
        "route other /chat { auth = none allow connect message who { allow  deny because \"other\" } }");
    CHECK_THAT(world.last(world.alice), Contains("$unsubscribed"));
    world.say(world.alice, R"({"type":"who","$id":1})");
    CHECK_THAT(world.last(world.alice), Contains(R"("because":"other")"));
}

TEST_CASE("reload: an origin that is taken out ends its pages") {
    Reloading world;
    const ConnectionId page = world.connect(as("carol"), "Origin: https://app.example.com\r\n");
    (void)world.read(page);
    world.reload(with("\"https://app.example.com\", none", "\"https://other.example.com\", none"));
    CHECK_THAT(world.last(page), StartsWith("close 4403"));
    CHECK(world.read(world.alice).empty());
}

TEST_CASE("reload: many that end are spread over the drain, and none of them does anything meanwhile") {
    Reloading world;
    std::vector<ConnectionId> crowd;
    for (int i = 0; i < 250; ++i) crowd.push_back(world.connect(as("u" + std::to_string(i))));
    for (const ConnectionId id : crowd) (void)world.read(id);
    world.reload(with("allow connect", "allow connect if user.role == \"admin\""));
    size_t ended = 0;
    const auto count = [&] {
        for (const ConnectionId id : crowd) ended += world.read(id).empty() ? 0 : 1;
    };
    count();
    CHECK(ended < 30);
    // A word from one that waits ends it, and is not heard.
    world.say(crowd.back(), R"({"type":"say","$id":1})");
    CHECK_THAT(world.last(crowd.back()), StartsWith("close 4403"));
    crowd.pop_back();
    CHECK(world.broker.channels["room/hall"] == 1);  // of the boss
    // A second reload meanwhile does not pardon them, nor sentence them twice.
    world.reload(with("allow connect", "allow connect if user.role == \"admin\" or user.role == \"guest\""));
    for (int i = 0; i < 310; ++i) world.later(100);
    count();
    CHECK(ended == crowd.size());
    CHECK(world.counters.closed_by_policy.get() == 251);
}

TEST_CASE("a route is its addresses: another name changes nothing") {
    Reloading world;
    world.reload(with("route chat /chat", "route talk /chat"));
    for (const ConnectionId id : {world.alice, world.boss}) CHECK(world.read(id).empty());
    for (const ConnectionId id : {world.alice, world.boss}) {
        world.say(id, R"({"type":"say","$id":1})");
        CHECK_THAT(world.frames(id).back(), Contains("say") || Contains("$ok"));
    }
    CHECK(world.counters.closed_by_policy.get() == 0);
    CHECK(world.survey(base).untouched == 2);
    // Renamed and changed: judged as ever.
    std::string text = with("route chat /chat", "route words /chat");
    text.replace(text.find("allow connect"), 13, "allow connect deny connect if user.role != \"admin\"");
    world.reload(text);
    CHECK_THAT(world.last(world.alice), StartsWith("close 4403"));
    world.say(world.boss, R"({"type":"say","$id":1})");
    CHECK_THAT(world.last(world.boss), Contains("say") || Contains("$ok"));
    // Two that change their names with each other stay where they are.
    World pair(R"(
route a /a { auth = none  allow connect  message who { allow  deny because "a" } }
route b /b { auth = none  allow connect  message who { allow  deny because "b" } }
)");
    const ConnectionId at_a = pair.connect("/a");
    (void)pair.read(at_a);
    auto next = std::make_shared<Runtime>(*pair.runtime);
    next->policy = policy_from(R"(
route b /a { auth = none  allow connect  message who { allow  deny because "a" } }
route a /b { auth = none  allow connect  message who { allow  deny because "b" } }
)");
    pair.gateway->replace(next, pair.now);
    pair.later(100);
    pair.say(at_a, R"({"type":"who","$id":1})");
    CHECK_THAT(pair.last(at_a), Contains(R"("because":"a")"));
    // The name went to another address: nothing is here any more.
    Reloading moved;
    moved.reload(with("route chat /chat", "route chat /elsewhere"));
    CHECK_THAT(moved.last(moved.alice), StartsWith("close 4403"));
}

TEST_CASE("who would be named otherwise comes again") {
    Reloading world;
    const std::string other =
        "token other { keys = file \"o\"  from query \"o\"  claim sub : string required }\nroute chat";
    std::string text = with("route chat", other);
    world.reload(text);
    CHECK(world.frames(world.alice).empty());  // the route takes no other token yet
    text.replace(text.find("auth = session"), 14, "auth = { session, other }");
    world.reload(text);
    CHECK_THAT(world.last(world.alice), StartsWith("close 1012"));
}

TEST_CASE("who has a name that is secret from now on comes again without one") {
    Reloading world;
    world.reload(with("claim sub : string required", "claim sub : string required secret"));
    CHECK_THAT(world.last(world.alice), StartsWith("close 1012"));
    CHECK_THAT(world.read(world.connect(as("alice"))), Contains("$hello") && !Contains("\"user\":\"alice\""));
}
