// Channels that a session enters and leaves by the server's decision: in a message, and by the HTTP API.
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string base = R"(
token session { keys = file "k"  exp = optional from query "token"
    claim sub : string required  claim role : string else "guest" }
token server { keys = file "k"  exp = optional from header "Authorization"  claim sub : string required }
channel kept/* { history = 5  keep = 1h }
channel seen/* { presence = true  join_leave = true  presence_grace = 0s }
channel small/* { max_subscribers = 1 }
route chat /chat {
    auth = session  origins = { none }
    max_subscriptions = 4
    allow connect
    allow subscribe on open/*
    deny subscribe on closed/* because "closed"
    message enter { field room : string required  allow
                    subscribe to room/{room}
                    publish to log/enter }
    message leave { field room : string required  allow  unsubscribe from room/{room} }
    message go    { field kind : string required  field room : string required  allow
                    subscribe to kept/{room} if kind == "kept"
                    subscribe to seen/{room} if kind == "seen"
                    subscribe to small/{room} if kind == "small"
                    subscribe to closed/{room} if kind == "closed"
                    subscribe to open/{room} if kind == "open" }
    message out   { field room : string required  allow
                    unsubscribe from kept/{room}, seen/{room}, small/{room}, open/{room} }
    message move  { field from : string required  field to : string required  allow
                    unsubscribe from room/{from}
                    subscribe to room/{to} }
    message many  { allow  subscribe to a, b, c, d, e  publish to log/enter }
    message say   { field room : string required  allow  publish to room/{room} }
    message kept  { field room : string required  allow  publish to kept/{room} }
    message both  { field room : string required  allow  subscribe to kept/{room}  publish to kept/{room} }
}
route echo /echo { auth = session  origins = { none }  dialect = "echo"  allow connect }
api app /api {
    auth = server
    allow subscribe on room/*, kept/*, small/*, closed/*
    allow disconnect
}
)";

std::string token(const std::string& user, const std::string& role = "guest") {
    return "?token=%7B%22sub%22:%22" + user + "%22,%22role%22:%22" + role + "%22%7D";
}

std::string with(std::string text, const std::string& old, const std::string& fresh) {
    const size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), fresh);
}

struct Rooms : World {
    explicit Rooms(const std::string& policy = base) : World(policy) {}

    ConnectionId open(const std::string& user, const std::string& role = "guest") {
        const ConnectionId id = connect("/chat" + token(user, role));
        (void)read(id);
        return id;
    }
    std::vector<std::string> answers(ConnectionId id, const std::string& text) {
        say(id, text);
        return frames(id);
    }
    // What the client hears of this channel when somebody else speaks there.
    bool hears(ConnectionId id, const std::string& channel) {
        (void)read(id);
        Draft draft;
        draft.channel = channel;
        draft.members = "\"type\":\"probe\"";
        draft.now = now;
        (void)broker.publish(std::move(draft), {});
        turn();
        for (const std::string& frame : frames(id))
            if (frame.find("probe") != std::string::npos) return true;
        return false;
    }
    std::string api(const std::string& path, const std::string& body) {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.9"), false}, now);
        feed(id, "POST /api" + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                     "Authorization: Bearer {\"sub\":\"app\"}\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n" + body);
        ordered();
        const std::string answer = read(id);
        gone(id);
        const size_t end = answer.find("\r\n\r\n");
        return answer.substr(9, 3) + " " + answer.substr(end + 4);
    }
    void ordered() {
        while (!gateway->actions().orders.empty()) {
            for (const ApiOrder& order : std::exchange(gateway->actions().orders, {})) {
                if (!order.done && order.next == 0) {
                    gateway->carry_out(order, now);
                } else {
                    gateway->order_done(order, now);
                }
            }
        }
        turn();
    }
    void reload(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        gateway->replace(next, now);
        later(100);
    }
};

const std::string enter_a = R"({"type":"enter","room":"a","$id":1})";

}  // namespace

TEST_CASE("a message subscribes its sender, without an `allow subscribe`") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    CHECK(
        world.answers(alice, R"({"type":"$subscribe","channel":"room/a","$id":0})").front() ==
        R"({"type":"$error","re":0,"channel":"room/a","error":"forbidden","because":"no rule allows this"})");
    CHECK(
        world.answers(alice, enter_a) ==
        std::vector<std::string>{R"({"type":"$subscribed","channel":"room/a"})", R"({"type":"$ok","re":1})"});
    CHECK(world.hears(alice, "room/a"));
    CHECK(world.counters.ordered_in.get() == 1);
    SECTION("and who is in the channel stays in it") {
        CHECK(world.answers(alice, enter_a) == std::vector<std::string>{R"({"type":"$ok","re":1})"});
        CHECK(world.counters.ordered_in.get() == 1);
        world.later(100);
        CHECK(world.counters.subscriptions.get() == 1);
    }
    SECTION("until another takes it out, or it goes by itself") {
        CHECK(world.answers(alice, R"({"type":"leave","room":"a","$id":2})") ==
              std::vector<std::string>{R"({"type":"$unsubscribed","channel":"room/a"})",
                                       R"({"type":"$ok","re":2})"});
        CHECK_FALSE(world.hears(alice, "room/a"));
        CHECK(world.counters.ordered_out.get() == 1);
        CHECK(world.answers(alice, R"({"type":"leave","room":"a","$id":3})") ==
              std::vector<std::string>{R"({"type":"$ok","re":3})"});
        (void)world.answers(alice, enter_a);
        CHECK(world.answers(alice, R"({"type":"$unsubscribe","channel":"room/a","$id":4})").front() ==
              R"({"type":"$unsubscribed","re":4,"channel":"room/a"})");
    }
    SECTION("or it ends") {
        world.gone(alice);
        world.later(100);
        CHECK(world.counters.subscriptions.get() == 0);
    }
}

TEST_CASE("what the message publishes comes to who it subscribes") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    const auto frames = world.answers(alice, R"({"type":"both","room":"a","$id":1})");
    REQUIRE(frames.size() == 3);
    CHECK_THAT(frames[0], StartsWith(R"({"type":"$subscribed","channel":"kept/a","epoch":")"));
    CHECK_THAT(frames[0], Contains(R"("offset":0})"));
    CHECK_THAT(frames[1], StartsWith(R"({"type":"$ok","re":1,)") && Contains(R"("offset":1})"));
    CHECK_THAT(frames[2], Contains(R"("type":"both")"));
}

TEST_CASE("a channel with a history says where it stands, also when the storage is slow") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    (void)world.answers(alice, R"({"type":"kept","room":"a"})");
    world.broker.later = true;
    CHECK(world.answers(alice, R"({"type":"both","room":"a","$id":1})").empty());
    world.broker.later = false;
    world.turn();
    const auto frames = world.frames(alice);
    REQUIRE(frames.size() == 3);
    CHECK_THAT(frames[0], StartsWith(R"({"type":"$subscribed","channel":"kept/a")"));
    size_t heard = 0;
    for (const std::string& frame : frames) heard += frame.find(R"("type":"both")") != std::string::npos;
    CHECK(heard == 1);
}

TEST_CASE("presence knows who was subscribed by a message") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    const ConnectionId bob = world.open("bob");
    (void)world.answers(bob, R"({"type":"go","kind":"seen","room":"a"})");
    (void)world.answers(alice, R"({"type":"go","kind":"seen","room":"a"})");
    CHECK_THAT(world.last(bob), Contains(R"("type":"$join")") && Contains("alice"));
    (void)world.answers(alice, R"({"type":"out","room":"a"})");
    world.later(100);
    CHECK_THAT(world.last(bob), Contains(R"("type":"$leave")") && Contains("alice"));
}

TEST_CASE("a message whose subscription is refused does nothing at all") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    const ConnectionId bob = world.open("bob");
    SECTION("by a deny") {
        CHECK(world.answers(alice, R"({"type":"go","kind":"closed","room":"a","$id":1})") ==
              std::vector<std::string>{R"({"type":"$error","re":1,"error":"forbidden","because":"closed"})"});
    }
    SECTION("by max_subscriptions: none of five where there is room for four") {
        CHECK(world.answers(alice, R"({"type":"many","$id":1})") ==
              std::vector<std::string>{
                  R"({"type":"$error","re":1,"error":"limited","because":"too many subscriptions"})"});
        CHECK(world.broker.channels.empty());
        CHECK(world.counters.publications.get() == 0);
    }
    SECTION("by max_subscribers, and a place is given back with the channel") {
        CHECK(world.answers(alice, R"({"type":"go","kind":"small","room":"a"})").size() == 1);
        CHECK_THAT(world.answers(bob, R"({"type":"go","kind":"small","room":"a","$id":1})").front(),
                   Contains("as many subscribers as it takes"));
        (void)world.answers(alice, R"({"type":"out","room":"a"})");
        CHECK_THAT(world.answers(bob, R"({"type":"go","kind":"small","room":"a","$id":1})").front(),
                   StartsWith(R"({"type":"$subscribed")"));
        world.gone(bob);
        CHECK(world.answers(alice, R"({"type":"go","kind":"small","room":"a"})").size() == 1);
    }
    SECTION("by a value that is no segment") {
        CHECK_THAT(world.answers(alice, R"({"type":"enter","room":"","$id":1})").front(),
                   Contains("bad_message"));
        CHECK(world.counters.publications.get() == 0);
    }
}

TEST_CASE("a limit on subscriptions counts them, and who moves is never in two rooms") {
    Rooms world(with(base, "allow connect", "limit subscriptions to 1 per user.sub\n    allow connect"));
    const ConnectionId alice = world.open("alice");
    CHECK(world.answers(alice, enter_a).size() == 2);
    CHECK_THAT(world.answers(alice, R"({"type":"enter","room":"b","$id":2})").front(), Contains("limited"));
    CHECK(world.counters.publications.get() == 1);  // of the first
    CHECK(world.answers(alice, R"({"type":"move","from":"a","to":"b","$id":3})") ==
          std::vector<std::string>{R"({"type":"$unsubscribed","channel":"room/a"})",
                                   R"({"type":"$subscribed","channel":"room/b"})",
                                   R"({"type":"$ok","re":3})"});
    CHECK_FALSE(world.hears(alice, "room/a"));
    CHECK(world.hears(alice, "room/b"));
    // What was out of the way for a moment counts again, whatever came of it.
    CHECK_THAT(world.answers(alice, R"({"type":"move","from":"x","to":"c","$id":4})").front(),
               Contains("limited"));
    CHECK_THAT(world.answers(alice, R"({"type":"enter","room":"c","$id":5})").front(), Contains("limited"));
    CHECK(world.answers(alice, R"({"type":"move","from":"b","to":"b","$id":6})") ==
          std::vector<std::string>{R"({"type":"$ok","re":6})"});
    (void)world.answers(alice, R"({"type":"leave","room":"b"})");
    CHECK(world.limits.keys() == 0);
}

TEST_CASE("a reload ends such a subscription only if a deny holds") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    (void)world.answers(alice, enter_a);
    world.reload(with(base, "max_subscriptions = 4", "max_subscriptions = 5"));
    CHECK(world.frames(alice).empty());
    CHECK(world.hears(alice, "room/a"));
    world.reload(with(base, "allow subscribe on open/*", "deny subscribe on room/a because \"over\""));
    CHECK(world.frames(alice) ==
          std::vector<std::string>{
              R"({"type":"$unsubscribed","channel":"room/a","reason":"policy_changed","because":"over"})"});
    CHECK_FALSE(world.hears(alice, "room/a"));
}

TEST_CASE("a new token ends such a subscription only if a deny holds") {
    Rooms world(with(base, "allow subscribe on open/*",
                     "allow subscribe on open/*\n    deny subscribe on room/* if user.role == \"muted\" "
                     "because \"muted\""));
    const ConnectionId alice = world.open("alice");
    (void)world.answers(alice, enter_a);
    const auto auth = [&](const std::string& role) {
        return world.answers(
            alice, R"({"type":"$auth","token":"{\"sub\":\"alice\",\"role\":\")" + role + R"(\"}"})");
    };
    CHECK(auth("admin").empty());
    CHECK(world.hears(alice, "room/a"));
    CHECK(auth("muted") ==
          std::vector<std::string>{
              R"({"type":"$unsubscribed","channel":"room/a","reason":"forbidden","because":"muted"})"});
}

TEST_CASE("an order outlasts the client's own subscription and the route's `join`") {
    Rooms world(with(base, "allow connect", "join room/b\n    allow connect"));
    const ConnectionId alice = world.open("alice");
    (void)world.answers(alice, R"({"type":"$subscribe","channel":"open/a"})");
    (void)world.answers(alice, R"({"type":"$subscribe","channel":"open/b"})");
    CHECK(world.answers(alice, R"({"type":"go","kind":"open","room":"a"})").empty());
    (void)world.answers(alice, R"({"type":"enter","room":"b"})");
    world.reload(with(base, "allow subscribe on open/*", "allow subscribe on nothing"));
    CHECK(
        world.frames(alice) ==
        std::vector<std::string>{
            R"({"type":"$unsubscribed","channel":"open/b","reason":"policy_changed","because":"no rule allows this"})"});
    CHECK(world.hears(alice, "open/a"));
    CHECK(world.hears(alice, "room/b"));
}

TEST_CASE("the api puts a user's sessions into a channel, and takes them out") {
    Rooms world;
    const ConnectionId phone = world.open("alice");
    const ConnectionId laptop = world.open("alice");
    const ConnectionId bob = world.open("bob");
    const ConnectionId raw = world.connect("/echo" + token("alice"));
    (void)world.read(raw);
    CHECK(world.api("/subscribe", R"({"user":"alice","channel":"room/a"})") == R"(200 {"sessions":2})");
    for (const ConnectionId id : {phone, laptop})
        CHECK(world.frames(id) == std::vector<std::string>{R"({"type":"$subscribed","channel":"room/a"})"});
    CHECK(world.frames(bob).empty());
    CHECK(world.frames(raw).empty());
    CHECK(world.api("/subscribe", R"({"user":"alice","channel":"room/a"})") == R"(200 {"sessions":2})");
    CHECK(world.frames(phone).empty());
    CHECK(world.api("/unsubscribe", R"({"user":"alice","channel":"room/a"})") == R"(200 {"sessions":2})");
    CHECK(world.last(phone) == R"({"type":"$unsubscribed","channel":"room/a"})");
    CHECK(world.api("/unsubscribe", R"({"user":"alice","channel":"room/a"})") == R"(200 {"sessions":0})");
    CHECK(world.api("/subscribe", R"({"user":"nobody","channel":"room/a"})") == R"(200 {"sessions":0})");
}

TEST_CASE("the api is refused what its policy and the route's do not permit") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    const ConnectionId also = world.open("alice");
    CHECK_THAT(world.api("/subscribe", R"({"user":"alice","channel":"other/a"})"),
               StartsWith("403") && Contains("no rule allows this"));
    CHECK_THAT(world.api("/unsubscribe", R"({"user":"alice","channel":"other/a"})"), StartsWith("403"));
    CHECK_THAT(world.api("/subscribe", R"({"user":"alice","channel":"closed/a"})"),
               StartsWith("403") && Contains(R"("detail":"closed")"));
    CHECK(world.api("/subscribe", R"({"user":"alice","channel":"small/a"})") ==
          R"(200 {"sessions":1,"refused":1})");
    const ConnectionId bob = world.open("bob");
    CHECK_THAT(world.api("/subscribe", R"({"user":"bob","channel":"small/a"})"),
               StartsWith("429") && Contains("limited"));
    CHECK(world.frames(bob).empty());
    for (const char* body : {"", "[]", "{}", R"({"user":"alice"})", R"({"channel":"room/a"})",
                             R"({"user":"alice","channel":"room/"})", R"({"user":"alice","channel":7})",
                             R"({"user":"alice","channel":"room/a","channel":"room/b"})",
                             R"({"user":"","channel":"room/a"})", R"({"session":"1","channel":"room/a"})",
                             R"({"user":"alice","session":"0123456789abcdef","channel":"room/a"})",
                             R"({"user":"alice","channel":"room/a","more":1})"})
        CHECK_THAT(world.api("/subscribe", body), StartsWith("400"));
    CHECK(world.frames(alice).size() + world.frames(also).size() == 1);
}

TEST_CASE("the api judges a session by the policy in force, also before its turn at a reload") {
    Rooms world;
    const ConnectionId alice = world.open("alice");
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy =
        policy_from(with(base, "allow subscribe on open/*", "deny subscribe on room/a because \"over\""));
    world.gateway->replace(next, world.now);
    CHECK_THAT(world.api("/subscribe", R"({"user":"alice","channel":"room/a"})"),
               StartsWith("403") && Contains("over"));
    CHECK(world.frames(alice).empty());
}

TEST_CASE("the shadow policy is asked what it would deny") {
    Rooms world;
    world.runtime->shadow =
        policy_from(with(with(base, "deny subscribe on closed/*", "deny subscribe on room/a"),
                         "allow subscribe on open/*", ""));
    world.runtime->shadow_per_million = 1'000'000;
    const ConnectionId alice = world.open("alice");
    (void)world.answers(alice, enter_a);
    CHECK(world.counters.shadow_differences.get() == 1);
    CHECK_THAT(
        world.gateway->actions().events.back().message,
        Contains("subscribe to room/a is allowed by no rule, and by the shadow policy refused by test"));
    (void)world.answers(alice, R"({"type":"enter","room":"b"})");
    CHECK(world.counters.shadow_differences.get() == 1);
    (void)world.answers(alice, R"({"type":"go","kind":"closed","room":"b"})");
    CHECK(world.counters.shadow_differences.get() == 2);
    CHECK(world.api("/subscribe", R"({"user":"alice","channel":"room/a"})") == R"(200 {"sessions":1})");
    CHECK(world.counters.shadow_differences.get() == 3);
    CHECK(world.hears(alice, "room/a"));
}

TEST_CASE("an order for very many sessions is carried out some at a time") {
    Rooms world;
    std::vector<ConnectionId> all;
    for (int i = 0; i < 350; ++i) all.push_back(world.open("alice"));
    CHECK(world.api("/subscribe", R"({"user":"alice","channel":"kept/a"})") == R"(200 {"sessions":350})");
    for (const ConnectionId id : all) CHECK_THAT(world.last(id), StartsWith(R"({"type":"$subscribed")"));
    CHECK(world.counters.subscriptions.get() == 350);
}
