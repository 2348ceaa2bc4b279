#include "daemon/decision/rejection.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

const std::string chat = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub   : string required
    claim plan  : string else "free"
    claim roles : set of string else {}
}
let plan_rate = { "free": 2/s, "team": 20/s }
route chat /chat {
    auth    = session
    origins = { "https://app.example.com", none }
    max_message = 1kb
    allow connect
    deny  connect if user.sub == "mallory" because "mallory is not welcome"
    join user/{user.sub}
    allow subscribe on room/:room if room != "secret"
    deny  subscribe on room/staff if not ("staff" in user.roles) because "only staff"
    allow publish on room/*
    limit connections to 2 per user.sub
    limit messages to plan_rate[user.plan] else 1/s per user.sub because "slower, please"
    message chat.say {
        field room : string required
        field text : string required
        allow
        deny if text like "*spam*" because "no spam"
        publish to room/{room}
    }
    message typing { allow  publish to room/hall except self }
}
)";

std::string as(const std::string& user, const std::string& more = "") {
    return "/chat?token=%7B%22sub%22:%22" + user + "%22" + more + "%7D";
}
const std::string team = ",%22plan%22:%22team%22";

}  // namespace

TEST_CASE("a client is greeted and joined") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice"));
    const std::string bytes = world.read(alice);
    CHECK_THAT(bytes, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
    CHECK_THAT(bytes, Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    CHECK_THAT(bytes, Contains(R"("type":"$hello")"));
    CHECK_THAT(bytes, Contains(R"("user":"alice")"));
    CHECK_THAT(bytes, Contains(R"("channels":[{"channel":"user/alice"}])"));
    CHECK(world.counters.connections.get() == 1);
}

TEST_CASE("who may not come in is told why") {
    World world(chat);
    const auto status = [&](const std::string& path, const std::string& headers = "") {
        const ConnectionId id = world.connect(path, headers);
        const std::string answer = world.read(id);
        CHECK(world.gateway->closing(id));
        return answer;
    };
    CHECK_THAT(status("/chat"),
               StartsWith("HTTP/1.1 401 ") && Contains("no token was sent") && Contains("WWW-Authenticate"));
    CHECK_THAT(status("/chat?token=bad"), StartsWith("HTTP/1.1 401 ") && Contains("the signature is wrong"));
    CHECK_THAT(status("/chat?token=%7B%7D"),
               StartsWith("HTTP/1.1 401 ") && Contains("the token has no claim sub"));
    CHECK_THAT(status("/chat?token=%7B%22sub%22:7%7D"),
               StartsWith("HTTP/1.1 401 ") && Contains("claim sub is no string"));
    CHECK_THAT(status(as("mallory")), StartsWith("HTTP/1.1 403 ") && Contains("mallory is not welcome"));
    CHECK_THAT(status(as("alice", ",%22exp%22:1600000000")),
               StartsWith("HTTP/1.1 401 ") && Contains("expired"));
    CHECK_THAT(status("/nowhere"), StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(status(as("alice"), "Origin: https://evil.example\r\n"),
               StartsWith("HTTP/1.1 403 ") && Contains("origin"));
    CHECK(world.counters.connections.get() == 0);
    const ConnectionId good = world.connect(as("alice"), "Origin: https://app.example.com\r\n");
    CHECK_THAT(world.read(good), StartsWith("HTTP/1.1 101 "));
}

TEST_CASE("what stands twice is named, and so is what cannot be read") {
    World world(R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    from cookie "sid"
    from header "X-Session"
    from header "authorization"
    claim sub : string required
}
route chat /chat { auth = session  origins = { none }  allow connect
                   input device : int from header "X-Device" required }
route open /open { auth = none  input device : int from query "d" required  allow connect }
)");
    struct Case {
        const char* path;
        const char* headers;
        const char* because;
    };
    const std::string token = "{\"sub\":\"a\"}";
    for (const Case& one : {
             Case{"/chat?token=a&token=b", "X-Device: 1\r\n", "the parameter token stands twice"},
             {"/chat", "X-Device: 1\r\nCookie: sid=a; sid=b\r\n", "the cookie sid stands twice"},
             {"/chat", "X-Device: 1\r\nCookie: sid=\xc3\xa4\r\n",
              "the cookie sid holds a byte that is not printable ASCII"},
             {"/chat", "X-Device: 1\r\nX-Session: a\r\nX-Session: b\r\n",
              "the header x-session stands twice"},
             {"/chat", "X-Device: 1\r\nAuthorization: Basic YTpi\r\n",
              "the header authorization is not `Bearer TOKEN`"},
             {"/chat", "X-Device: 1\r\n", "no token was sent"},
             {"/chat", "X-Device: 1\r\nX-Device: 1\r\n",
              "the input device: the header x-device stands twice"},
             {"/open?d=1&d=2", "", "the input device: the parameter d stands twice"},
             {"/open?d=x", "", "the input device is no int"},
             {"/open", "", "the input device is missing"},
         }) {
        INFO(one.because);
        CHECK_THAT(world.read(world.connect(one.path, one.headers)),
                   StartsWith("HTTP/1.1 4") && Contains(one.because));
    }
    CHECK_THAT(world.read(world.connect("/chat", "X-Device: 1\r\nCookie: sid=" + token + "\r\n")),
               StartsWith("HTTP/1.1 101 "));
}

// "key=value …" of an event's fields.
std::string fields_of(const Event& event) {
    std::string text;
    for (const EventField& field : event.fields) {
        if (field.key == "session" || field.aside) continue;  // the session is random
        text += (text.empty() ? "" : " ") + std::string(field.key) + "=" +
                (field.secret ? "hidden" : field.value);
    }
    return text;
}

TEST_CASE("the operator is told who was turned away") {
    World world(chat);
    (void)world.connect("/nowhere");
    (void)world.connect("/chat?token=bad");
    const auto& events = world.gateway->actions().events;
    REQUIRE(events.size() == 2);
    CHECK(events[0].name == "handshake-refused");
    CHECK(events[0].message == "connect: no route has this address");
    CHECK(fields_of(events[0]) == "ip=10.0.0.1 action=connect target=/nowhere reason=unknown_route");
    const std::string id = decision_id(*world.runtime->policy, "test.route:10:7");
    CHECK(events[1].message == "connect: the signature is wrong");
    CHECK(fields_of(events[1]) ==
          "ip=10.0.0.1 route=chat action=connect target=/chat reason=unauthenticated decision=" + id);
    // The same again is counted and told later, in one line; what is told in a turn is bounded.
    (void)world.connect("/chat?token=bad");
    (void)world.connect("/chat?token=bad");
    CHECK(events.size() == 2);
    world.later(11'000);  // also when nobody comes again
    REQUIRE(events.size() == 3);
    CHECK_THAT(events[2].message, Contains("the signature is wrong") && Contains("one of 2 more"));
    CHECK_THAT(fields_of(events[2]), EndsWith(" more=2"));
    (void)world.connect("/chat?token=bad");
    CHECK(events.size() == 4);
    for (int i = 0; i < 400; ++i)
        (void)world.connect("/nowhere", "",
                            "10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200));
    CHECK(events.size() == 256);
    CHECK(world.counters.events_lost.get() > 0);
}

TEST_CASE("who is refused is told by name, also where the token is true and not accepted") {
    World world(chat);
    (void)world.connect(as("alice", ",%22exp%22:1000"));
    (void)world.connect(as("bob", ",%22exp%22:1000"));  // behind the same address
    const auto& events = world.gateway->actions().events;
    REQUIRE(events.size() == 2);
    CHECK_THAT(fields_of(events[0]), StartsWith("user=alice ip=10.0.0.1 route=chat"));
    CHECK_THAT(fields_of(events[1]), StartsWith("user=bob ip=10.0.0.1 route=chat"));
    CHECK(events[0].message == "connect: the token has expired");
}

TEST_CASE("a refused message is told to the operator and counted under the line that decided") {
    World world(chat + "");
    const ConnectionId alice = world.connect(as("alice", team));
    const ConnectionId bob = world.connect(as("bob", team));
    for (int i = 0; i < 3; ++i) world.say(alice, R"({"type":"chat.say","room":"hall","text":"spam"})");
    world.say(bob, R"({"type":"chat.say","room":"hall","text":"spam"})");
    world.say(bob, R"({"type":"$subscribe","channel":"secret/plans"})");
    const auto& events = world.gateway->actions().events;
    REQUIRE(events.size() == 3);
    const std::string id = decision_id(*world.runtime->policy, "test.route:26:9");
    CHECK(events[0].name == "message-refused");
    CHECK(events[0].message == "message: no spam");
    CHECK(fields_of(events[0]) ==
          "user=alice ip=10.0.0.1 route=chat action=message target=chat.say reason=forbidden decision=" + id +
              " rule=test.route:26:9");
    CHECK_THAT(fields_of(events[1]), StartsWith("user=bob "));
    CHECK_THAT(fields_of(events[2]), Contains(" action=subscribe target=secret/plans reason=forbidden "));
    CHECK(world.counters.decisions.read().at({id, "chat", Reason::forbidden}) == 4);
}

TEST_CASE("a connection is a line when it is opened, and one when it is closed, that says why") {
    World world(chat);
    world.runtime->settings.log_connections = true;
    const ConnectionId alice = world.connect(as("alice", team));
    const ConnectionId bob = world.connect(as("bob", team));
    const auto& events = world.gateway->actions().events;
    REQUIRE(events.size() == 2);
    CHECK(events[0].name == "connection-opened");
    CHECK_THAT(fields_of(events[0]),
               StartsWith("user=alice ip=10.0.0.1 route=chat action=connect decision=") &&
                   Contains(" rule=test.route:"));
    world.say(alice, R"({"type":"$ping"})");
    world.later(1500);
    world.gateway->closed(alice, world.now);
    world.say(bob, std::string(2000, 'x'));
    world.gateway->closed(bob, world.now);
    REQUIRE(events.size() == 4);
    CHECK(events[2].name == "connection-closed");
    CHECK(events[2].message == "connection closed: the client is gone without a word");
    CHECK_THAT(fields_of(events[2]),
               Contains("reason=lost seconds=1.5 messages_in=1 messages_out=2 bytes_in=") &&
                   Contains(" bytes_out="));
    CHECK_THAT(fields_of(events[3]), Contains("reason=too_big decision=") && Contains(" code=1009 "));
}

TEST_CASE("one user's connections do not fill the log") {
    World world(chat);
    world.runtime->settings.log_connections = true;
    const auto& events = world.gateway->actions().events;
    for (int i = 0; i < 120; ++i) {
        world.gateway->closed(world.connect(as("alice", team)), world.now);
    }
    CHECK(events.size() == 40);
    (void)world.connect(as("bob", team));
    CHECK(events.size() == 41);
    world.later(11'000);
    REQUIRE(events.size() == 43);
    CHECK_THAT(events[41].message, Contains("one of 100 more"));
}

TEST_CASE("one client's noise does not hide what is said of another") {
    World world(R"(
route open /open { auth = none  origins = any  allow connect
    message say { strict = true  field text : string required  allow  publish to room/a } }
)");
    const auto& events = world.gateway->actions().events;
    // Another sentence each time, and another connection.
    for (int i = 0; i < 500; ++i) {
        const ConnectionId id = world.connect("/open", "", "2001:db8::" + std::to_string(i));
        world.say(id, "{\"type\":\"say\",\"text\":\"a\",\"m" + std::to_string(i) + "\":1}");
        world.gateway->closed(id, world.now);
        (void)world.connect("/nowhere" + std::to_string(i), "", "2001:db8::" + std::to_string(i));
    }
    const size_t noise = events.size();
    CHECK(noise <= 4);
    const ConnectionId other = world.connect("/open", "", "192.0.2.1");
    world.say(other, R"({"type":"say","text":"a","event=x user=admin":1})");
    CHECK(events.size() == noise + 1);
    CHECK_THAT(fields_of(events.back()), StartsWith("ip=192.0.2.1 route=open action=message target=say"));
}

TEST_CASE("the shadow policy is asked and never decides") {
    World world(chat);
    std::string other = chat;
    other.replace(other.find("*spam*"), 6, "*ham*");
    other.replace(other.find("only staff"), 10, "not staff ");  // other words are no difference
    other.replace(other.find("room/*\n"), 6, "hall/*");
    world.runtime->shadow = policy_from(other);
    world.runtime->shadow_per_million = 1'000'000;
    const ConnectionId alice = world.connect(as("alice", team));
    const auto& events = world.gateway->actions().events;
    CHECK(events.empty());
    (void)world.read(alice);
    world.say(alice, R"({"type":"chat.say","room":"hall","text":"ham","$id":1})");
    CHECK_THAT(world.last(alice), Contains("$ok"));
    REQUIRE(events.size() == 1);
    CHECK(events[0].name == "shadow-differs");
    CHECK_THAT(events[0].message,
               Contains("message chat.say is allowed by test.route:25:9, and by the shadow policy "
                        "refused by test.route:26:9"));
    world.say(alice, R"({"type":"chat.say","room":"hall","text":"spam","$id":2})");
    CHECK_THAT(world.last(alice), Contains("forbidden"));
    world.say(alice, R"({"type":"$publish","channel":"room/1","data":{}})");
    world.say(alice, R"({"type":"$subscribe","channel":"room/staff"})");
    CHECK(world.counters.shadow_compared.get() == 5);  // the handshake among them
    CHECK(world.counters.shadow_differences.get() == 3);

    SECTION("a shadow without the route, and one that asks for what nobody said") {
        auto next = std::make_shared<Runtime>(*world.runtime);
        next->shadow = policy_from("route other /other { auth = none allow connect }");
        world.gateway->replace(next, world.now);
        world.say(alice, R"({"type":"$subscribe","channel":"room/1"})");
        CHECK(world.counters.shadow_differences.get() == 4);
        std::string asks = chat;
        asks.replace(asks.find("claim plan"), 10, "claim team : string else \"x\" claim plan");
        next = std::make_shared<Runtime>(*next);
        next->shadow = policy_from(asks);
        world.gateway->replace(next, world.now);
        world.say(alice, R"({"type":"$subscribe","channel":"room/2"})");
        CHECK(world.counters.shadow_differences.get() == 4);
        CHECK(world.counters.shadow_skipped.get() == 1);
    }
}

TEST_CASE("plain requests and broken ones have an answer") {
    World world(chat);
    auto body = std::make_shared<const std::string>("<p>hello</p>");
    world.runtime->files.emplace("/", StaticFile{"text/html", body});
    const auto ask = [&](const std::string& bytes) {
        const ConnectionId id = world.gateway->opened({}, world.now);
        world.feed(id, bytes);
        return world.read(id);
    };
    CHECK_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
               StartsWith("HTTP/1.1 200 ") && Contains("<p>hello</p>"));
    const std::string two = ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_THAT(two, StartsWith("HTTP/1.1 200 ") && !Contains("<p>") && Contains("HTTP/1.1 404 "));
    CHECK_THAT(ask("GET /chat HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
    CHECK_THAT(ask("GET /chat HTTP/1.1\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), StartsWith("HTTP/1.1 40"));
}

TEST_CASE("who has a file already is not sent it again") {
    World world(chat);
    world.runtime->files.emplace("/", StaticFile{"text/html", std::make_shared<const std::string>("<p>"),
                                                 "\"abc\"", "Tue, 14 Nov 2023 22:13:20 GMT"});
    const auto ask = [&](const std::string& lines, const std::string& method = "GET") {
        const ConnectionId id = world.gateway->opened({}, world.now);
        world.feed(id, method + " / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n");
        return world.read(id);
    };
    CHECK_THAT(ask(""), StartsWith("HTTP/1.1 200 ") && Contains("\r\nETag: \"abc\"\r\n") &&
                            Contains("\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n") &&
                            Contains("\r\nCache-Control: no-cache\r\n"));
    for (const std::string known :
         {"If-None-Match: \"abc\"", "If-None-Match: W/\"abc\"", "If-None-Match: \"x\", \"abc\"",
          "If-None-Match: *", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT"}) {
        INFO(known);
        CHECK_THAT(ask(known + "\r\n"), StartsWith("HTTP/1.1 304 ") && Contains("ETag: \"abc\"") &&
                                            !Contains("Content-Length") && !Contains("<p>"));
    }
    for (const std::string other :
         {"If-None-Match: \"x\"", "If-None-Match: abc", "If-Modified-Since: Tue, 14 Nov 2023 22:13:21 GMT",
          "If-None-Match: \"x\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "Range: bytes=0-0",
          "Range: bytes=0-0\r\nIf-Range: \"abc\""}) {
        INFO(other);
        CHECK_THAT(ask(other + "\r\n"),
                   StartsWith("HTTP/1.1 200 ") && EndsWith("<p>") && !Contains("Accept-Ranges"));
    }
    CHECK_THAT(ask("If-None-Match: \"abc\"\r\n", "HEAD"), StartsWith("HTTP/1.1 304 "));
}

TEST_CASE("what no WebSocket is asked for is answered in HTTP, whatever else it offers") {
    World world(chat);
    const auto ask = [&](const std::string& line, const std::string& lines) {
        const ConnectionId id = world.gateway->opened({}, world.now);
        world.feed(id, line + "\r\n" + lines + "\r\n");
        return world.read(id);
    };
    CHECK_THAT(ask("GET /chat HTTP/1.1", "Host: a\r\nAccept: */*\r\n"),
               StartsWith("HTTP/1.1 426 ") && Contains("Accept: text/event-stream"));
    CHECK_THAT(ask("GET /chat HTTP/1.1",
                   "Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                   "HTTP2-Settings: AAMAAABk\r\n"),
               StartsWith("HTTP/1.1 426 "));
    CHECK_THAT(ask("GET /chat HTTP/1.0", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
               StartsWith("HTTP/1.1 426 ") && Contains("proxy_http_version 1.1"));
    for (const std::string target : {"/chat", "/none"}) {
        const std::string answer = ask("HEAD " + target + " HTTP/1.1", "Host: a\r\n");
        CHECK_THAT(answer, StartsWith("HTTP/1.1 4") && EndsWith("\r\n\r\n") && Contains("Content-Length: "));
    }
}

TEST_CASE("a message goes to the channel that its block names, once, to all") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice", team));
    const ConnectionId bob = world.connect(as("bob", team));
    world.say(alice, R"({"type":"$subscribe","channel":"room/hall","$id":1})");
    CHECK(world.last(alice) == R"({"type":"$subscribed","re":1,"channel":"room/hall"})");
    world.say(bob, R"({"type":"$subscribe","channel":"room/hall"})");
    (void)world.read(bob);
    world.say(
        alice,
        R"({ "type" : "chat.say" , "$id":"c1", "room":"hall", "text":"h\u00e4 \"x\", {y}", "extra":[1,{"a":2}] })");
    const auto answer = world.frames(alice);
    REQUIRE(answer.size() == 2);
    CHECK(answer[0] == R"({"type":"$ok","re":"c1"})");
    const size_t id = answer[1].find(R"("id":")") + 6;
    const std::string delivered =
        R"({"$":{"channel":"room/hall","id":")" + answer[1].substr(id, 10) +
        R"(","at":1700000000000},"type" : "chat.say","room":"hall","text":"h\u00e4 \"x\", {y}","extra":[1,{"a":2}]})";
    CHECK(answer[1] == delivered);
    CHECK(world.last(bob) == delivered);

    world.say(bob, R"({"type":"typing"})");
    CHECK(world.frames(bob).empty());  // except self, and no $id
    CHECK_THAT(world.last(alice), Contains("typing"));
}

TEST_CASE("what the policy refuses is refused with its reason") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice", team));
    (void)world.read(alice);
    const auto answer = [&](const std::string& text) {
        world.say(alice, text);
        return world.last(alice);
    };
    CHECK(answer(R"({"type":"chat.say","$id":"a","room":"hall","text":"buy spam now"})") ==
          R"({"type":"$error","re":"a","error":"forbidden","because":"no spam"})");
    CHECK_THAT(answer(R"({"type":"chat.say","room":"hall"})"),
               Contains("bad_message") && Contains("field text is missing"));
    CHECK_THAT(answer(R"({"type":"chat.say","room":7,"text":"x"})"), Contains("field room is no string"));
    CHECK_THAT(answer(R"({"type":"chat.say","room":"","text":"x"})"),
               Contains("cannot be part of a channel"));
    CHECK_THAT(answer(R"({"type":"chat.say","$id":6,"room":"\ud83d","text":"x"})"),
               Contains(R"("re":6)") && Contains("bad_message") && Contains("field room is no string"));
    CHECK_THAT(answer(R"({"type":"chat.shout"})"), Contains("unknown_message"));
    CHECK_THAT(answer(R"({"type":"$wipe"})"), Contains("unknown_message"));
    CHECK_THAT(answer(R"({"type":"$subscribe","channel":"room/secret"})"),
               Contains("forbidden") && Contains("no rule allows this"));
    CHECK_THAT(answer(R"({"type":"$subscribe","channel":"room/staff"})"), Contains("only staff"));
    CHECK_THAT(answer(R"({"type":"$subscribe","channel":"user/bob"})"), Contains("forbidden"));
    CHECK_THAT(answer(R"({"type":"$subscribe","channel":"room/*"})"), Contains("bad_message"));
    CHECK_THAT(answer(R"({"type":"$publish","channel":"room/hall","data":{"a":1,"a":2}})"),
               Contains("bad_message"));
    CHECK_THAT(answer(R"({"type":"$publish","channel":"room/hall","data":{"$":1}})"),
               Contains("bad_message"));
    world.later(2000);
    CHECK_THAT(answer(R"({"type":"$publish","channel":"elsewhere","data":{}})"), Contains("forbidden"));
    CHECK_THAT(answer(R"({"type":"$publish","channel":"room/hall","data":{"a":1},"dedup":"x"})"),
               Contains("this channel has no `dedup`"));
    CHECK_THAT(answer(R"({"type":"$publish","channel":"room/hall","data":{"type":"$ok\ud83d"}})"),
               Contains("types that begin with `$`"));
    CHECK(answer(R"({"type":"$publish","channel":"room/hall","data":{"a":1},"$id":5})") ==
          R"({"type":"$ok","re":5})");
    CHECK(answer(R"({"type":"$publish","channel":"room/hall","data":{"a":1e400,"b":"\ud83d"},"$id":5})") ==
          R"({"type":"$ok","re":5})");
}

TEST_CASE("what is no message of ours is named") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice", team));
    (void)world.read(alice);
    for (const std::string text : {"hello", "[1]", "{}", R"({"type":7})", R"({"type":"a","type":"b"})",
                                   R"({"type":"a","ty\u0070e":"b"})", R"({"type":"chat.say","$":{}})",
                                   R"({"type":"a\u0001b"})", R"({"type":"typing","$id":{}})"}) {
        INFO(text);
        world.say(alice, text);
        CHECK_THAT(world.last(alice), Contains(R"("error":"bad_message")"));
    }
    world.feed(alice, masked(Opcode::binary, "x"));
    CHECK_THAT(world.last(alice), Contains("not binary"));
}

TEST_CASE("what is no channel is told of the character that is wrong") {
    World world(chat);
    const ConnectionId id = world.connect(as("alice"));
    (void)world.frames(id);
    struct Case {
        std::string channel;
        std::string because;
    };
    const std::string allowed = "and there may be letters, digits and `._-~@:=`";
    for (const Case& one : {
             Case{"room/a b", "character 7 is ` `, " + allowed},
             {"room/\xc3\xa4#", "character 6 is `\xc3\xa4`, " + allowed},
             {"a\xc3\xa4", "character 2 is `\xc3\xa4`"},
             {R"(room/\u0007)", "character 6 is a control character"},
             {"room/:a", "character 6 is `:`, which no segment begins with"},
             {"room//a", "a segment of it is empty"},
             {"room/", "a segment of it is empty"},
             {"/room", "it begins with a `/`"},
             {"room/..", "a segment of it is `..`"},
             {std::string(256, 'a'), "it has 256 bytes, and at most 255 are possible"},
             {"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", "it has more than 16 segments"},
         }) {
        INFO(one.channel);
        world.now.steady_ms += 1000;  // for the limit
        world.say(id, R"({"type":"$unsubscribe","$id":1,"channel":")" + one.channel + "\"}");
        CHECK_THAT(world.last(id), Contains("bad_message") &&
                                       Contains("`channel` is no name of a channel: ") &&
                                       Contains(one.because));
    }
}

TEST_CASE("limits") {
    World world(chat);
    const ConnectionId first = world.connect(as("alice"));
    const ConnectionId second = world.connect(as("alice"));
    CHECK_THAT(world.read(second), StartsWith("HTTP/1.1 101 "));
    const ConnectionId third = world.connect(as("alice"));
    CHECK_THAT(world.read(third), StartsWith("HTTP/1.1 429 ") && Contains("too many connections"));
    CHECK_THAT(world.read(world.connect(as("bob"))), StartsWith("HTTP/1.1 101 "));
    (void)world.read(first);
    const std::string typing = R"({"type":"typing","$id":1})";
    world.say(first, typing);
    world.say(first, typing);
    CHECK(world.frames(first).size() == 2);
    world.say(first, typing);
    CHECK(world.last(first) ==
          R"({"type":"$error","re":1,"error":"limited","because":"slower, please","retry_after":500})");
    world.later(600);
    world.say(first, typing);
    CHECK_THAT(world.last(first), Contains("$ok"));
    world.gone(second);
    CHECK_THAT(world.read(world.connect(as("alice"))), StartsWith("HTTP/1.1 101 "));
}

TEST_CASE("the codec's errors close with its codes") {
    World world(chat);
    const auto closes = [&](const std::string& bytes) {
        const ConnectionId id = world.connect(as("u" + std::to_string(bytes.size())));
        (void)world.read(id);
        world.feed(id, bytes);
        return world.last(id);
    };
    CHECK_THAT(closes(masked(Opcode::text, std::string(1025, 'x'))), StartsWith("close 1009"));
    CHECK_THAT(closes(masked(Opcode::text, "\xff")), StartsWith("close 1007"));
    CHECK_THAT(closes(std::string("\x81\x01x", 3)), StartsWith("close 1002"));
    CHECK_THAT(closes(masked(Opcode::close, std::string("\x03\xe8", 2))), StartsWith("close 1000"));
}

TEST_CASE("after an error of the codec nothing is waited for") {
    World world(chat);
    for (const std::string& wrong : {masked(Opcode::text, std::string(1025, 'x')),
                                     masked(Opcode::text, "\xff"), std::string("\x81\x01x", 3)}) {
        const ConnectionId id = world.connect(as("u" + std::to_string(wrong.size())));
        (void)world.read(id);
        CHECK_FALSE(world.gateway->closing(id));
        world.feed(id, wrong);
        CHECK(world.gateway->closing(id));
    }
    // Also where our close frame was first: what it waits for is not read any more.
    const ConnectionId id = world.connect(as("drained"));
    (void)world.read(id);
    world.gateway->drain({.at_once = true}, world.now);
    CHECK_FALSE(world.gateway->closing(id));
    world.feed(id, std::string("\x81\x01x", 3));
    CHECK(world.gateway->closing(id));
    CHECK(world.read(id).find("\x88") != std::string::npos);
}

TEST_CASE("quiet clients are asked, dead ones closed") {
    World world(
        "route e /chat { auth = none idle_timeout = 60s ping_every = 20s allow connect dialect = \"echo\" }");
    const ConnectionId id = world.connect();
    (void)world.read(id);
    for (int i = 0; i < 199; ++i) world.later(100);
    CHECK(world.read(id).empty());
    for (int i = 0; i < 3; ++i) world.later(100);
    CHECK(world.last(id) == "ping");
    for (int i = 0; i < 405; ++i) world.later(100);
    CHECK_THAT(world.last(id), StartsWith("close 1001"));
    for (int i = 0; i < 60; ++i) world.later(100);
    CHECK(world.gateway->actions().abort == std::vector<ConnectionId>{id});

    const ConnectionId chatty = world.connect();
    (void)world.read(chatty);
    for (int i = 0; i < 1000; ++i) {
        world.later(100);
        if (i % 100 == 0) world.feed(chatty, masked(Opcode::text, "x"));
    }
    for (const std::string& frame : world.frames(chatty)) CHECK(frame == "x");
}

TEST_CASE("a handshake has a deadline") {
    World world(chat);
    const ConnectionId silent = world.gateway->opened({}, world.now);
    const ConnectionId drips = world.gateway->opened({}, world.now);
    world.feed(drips, "GET / HT");
    for (int i = 0; i < 102; ++i) world.later(100);
    CHECK(world.gateway->actions().abort == std::vector<ConnectionId>{silent});
    CHECK_THAT(world.read(drips), StartsWith("HTTP/1.1 408 "));
}

TEST_CASE("a session ends with its token") {
    World world(chat);
    const ConnectionId id = world.connect(as("alice", ",%22exp%22:1700000005"));
    (void)world.read(id);
    for (int i = 0; i < 49; ++i) world.later(100);
    CHECK(world.read(id).empty());
    for (int i = 0; i < 3; ++i) world.later(100);
    CHECK_THAT(world.last(id), StartsWith("close 4401") && Contains("expired"));
}

TEST_CASE("a slow reader is closed and holds nobody up") {
    World world(chat, {.max_queue_bytes = 4000, .max_queue_messages = 100});
    const ConnectionId slow = world.connect(as("slow", team));
    const ConnectionId fast = world.connect(as("fast", team));
    for (const ConnectionId id : {slow, fast})
        world.say(id, R"({"type":"$subscribe","channel":"room/hall"})");
    (void)world.read(slow);
    for (int i = 0; i < 30; ++i) {
        world.later(100);
        world.say(fast, R"({"type":"chat.say","room":"hall","text":")" + std::string(200, 'x') + R"("})");
        world.gateway->blocked(slow, world.now);
        CHECK(world.frames(fast).size() >= 1);
    }
    CHECK_THAT(world.last(slow), StartsWith("close 4408"));
    CHECK(world.counters.refused[static_cast<size_t>(Reason::slow)].get() == 1);
}

TEST_CASE("a burst within one turn closes nobody whose socket still takes it") {
    World world("route e /chat { auth = none allow connect dialect = \"echo\" }", {.max_queue_messages = 10});
    const ConnectionId id = world.connect();
    (void)world.read(id);
    std::string burst;
    for (int i = 0; i < 100; ++i) burst += masked(Opcode::text, "x");
    world.feed(id, burst);
    CHECK(world.frames(id).size() == 100);
    world.feed(id, burst);
    world.gateway->blocked(id, world.now);
    CHECK_THAT(world.last(id), StartsWith("close 4408"));
}

TEST_CASE("a limit on messages knows the subscriptions also where a message is binary") {
    World world(
        "route r /chat { auth = none allow connect join news "
        "limit messages to 1/d per connection if connection.subscriptions == 1 }");
    const ConnectionId id = world.connect();
    (void)world.read(id);
    world.feed(id, masked(Opcode::binary, "x"));
    CHECK_THAT(world.last(id), Contains("bad_message"));
    world.feed(id, masked(Opcode::binary, "x"));
    CHECK_THAT(world.last(id), Contains("limited"));
}

TEST_CASE("a long value as a limit's key is kept as a digest") {
    World world(
        "route e /chat { auth = none allow connect message m { field k : string required allow "
        "limit messages to 1/d per k } }");
    const ConnectionId id = world.connect();
    (void)world.read(id);
    const std::string text = R"({"type":"m","k":")" + std::string(40, 'x');
    for (const std::string end : {"1", "2"}) {
        world.say(id, text + end + R"(","$id":1})");
        CHECK_THAT(world.last(id), Contains("$ok"));
        world.say(id, text + end + R"(","$id":1})");
        CHECK_THAT(world.last(id), Contains("limited"));
    }
}

TEST_CASE("a reload takes effect and drops nobody whose route is still there") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice", team));
    (void)world.read(alice);
    std::string edited = chat;
    edited.replace(edited.find("*spam*"), 6, "*ham*");
    auto next = std::make_shared<Runtime>(*world.runtime);
    next->policy = policy_from(edited);
    world.gateway->replace(next, world.now);
    world.later(100);
    CHECK(world.read(alice).empty());
    world.say(alice, R"({"type":"chat.say","room":"hall","text":"ham","$id":1})");
    CHECK_THAT(world.last(alice), Contains("forbidden"));
    world.say(alice, R"({"type":"chat.say","room":"hall","text":"spam","$id":2})");
    CHECK_THAT(world.last(alice), Contains("$ok"));

    auto without = std::make_shared<Runtime>(*world.runtime);
    without->policy = policy_from("route other /other { auth = none allow connect }");
    world.gateway->replace(without, world.now);
    world.later(100);
    CHECK_THAT(world.last(alice), StartsWith("close 4403"));
}

TEST_CASE("a drain says goodbye and lets nobody in") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice"));
    (void)world.read(alice);
    world.gateway->drain({.at_once = true}, world.now);
    const auto frames = world.frames(alice);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("$bye") && Contains("1001") && Contains("after_ms"));
    CHECK_THAT(frames[1], StartsWith("close 1001"));
    CHECK_FALSE(world.gateway->drained());
    world.feed(alice, masked(Opcode::close, std::string("\x03\xe9", 2)));
    CHECK(world.gateway->closing(alice));
    world.gone(alice);
    CHECK(world.gateway->drained());
    CHECK_THAT(world.read(world.connect(as("bob"))), StartsWith("HTTP/1.1 503 "));
}

TEST_CASE("those who are sent to a successor come again at once") {
    World world(chat);
    std::vector<int64_t> waits;
    std::vector<ConnectionId> all;
    for (int i = 0; i < 50; ++i) {
        all.push_back(world.connect(as("user" + std::to_string(i))));
        (void)world.read(all.back());
    }
    world.gateway->drain({.at_once = true, .successor = true}, world.now);
    for (const ConnectionId id : all) {
        const std::string said = world.frames(id).at(0);
        const size_t at = said.find("after_ms\":");
        REQUIRE(at != std::string::npos);
        waits.push_back(std::stoll(said.substr(at + 10)));
    }
    CHECK(*std::max_element(waits.begin(), waits.end()) < 1000);
    CHECK(*std::max_element(waits.begin(), waits.end()) > 500);
}

TEST_CASE("the broker hears of the first subscriber and of the last") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice", team));
    CHECK(world.broker.channels == std::map<std::string, int>{{"user/alice", 1}});
    const ConnectionId again = world.connect(as("alice", team));
    world.gone(alice);
    CHECK(world.broker.channels.size() == 1);
    world.say(again, R"({"type":"$unsubscribe","channel":"user/alice","$id":1})");
    CHECK(world.broker.channels.empty());
    world.say(again, R"({"type":"$unsubscribe","channel":"user/alice","$id":2})");
    CHECK_THAT(world.last(again), Contains("bad_message"));
}

TEST_CASE("a dead id is nobody") {
    World world(chat);
    const ConnectionId alice = world.connect(as("alice"));
    world.gone(alice);
    const ConnectionId bob = world.connect(as("bob"));
    CHECK(bob.index == alice.index);
    world.feed(alice, masked(Opcode::text, R"({"type":"typing"})"));
    CHECK(world.gateway->output(alice) == nullptr);
    world.gone(alice);
    CHECK(world.gateway->sockets() == 1);
}

TEST_CASE("a slow reader's route says who gives way") {
    for (const char* word : {"drop", "newest"}) {
        World world(
            "route chat /chat { auth = none allow connect allow subscribe on a max_queue = 1kb "
            "slow_consumer = " +
            std::string(word) + " message say { allow publish to a } }");
        const ConnectionId slow = world.connect();
        const ConnectionId fast = world.connect();
        world.say(slow, R"({"type":"$subscribe","channel":"a"})");
        (void)world.read(slow);
        world.gateway->blocked(slow, world.now);
        for (int i = 0; i < 50; ++i) world.say(fast, R"({"type":"say","n":)" + std::to_string(i) + "}");
        world.gateway->blocked(slow, world.now);
        const auto frames = world.frames(slow);
        REQUIRE(frames.size() > 3);
        CHECK(frames.size() + world.counters.dropped.get() == 50);
        const bool newest = word == std::string("newest");
        CHECK_THAT(frames.front(), Contains(newest ? "\"n\":3" : "\"n\":0}"));
        CHECK((frames.back().find("\"n\":49}") != std::string::npos) == newest);
        world.later(20'000);
        CHECK(world.gateway->sockets() == 2);
    }
}

TEST_CASE("what waits for too long ends a slow reader, also when it is little") {
    World world(chat);
    const ConnectionId slow = world.connect(as("slow", team));
    (void)world.read(slow);
    world.say(slow, R"({"type":"$subscribe","channel":"room/hall"})");
    world.gateway->blocked(slow, world.now);
    world.later(9'000);
    world.gateway->blocked(slow, world.now);
    CHECK(world.counters.refused[static_cast<size_t>(Reason::slow)].get() == 0);
    world.later(2'000);
    world.gateway->blocked(slow, world.now);
    CHECK_THAT(world.last(slow), StartsWith("close 4408"));
}

TEST_CASE("a ping that is not answered, and one that could not be") {
    World world("route e /chat { auth = none allow connect idle_timeout = 0s }");
    const ConnectionId dead = world.connect();
    const ConnectionId stalled = world.connect();
    (void)world.read(dead);
    (void)world.read(stalled);
    world.gateway->blocked(stalled, world.now);
    for (int i = 0; i < 260; ++i) world.later(100);
    CHECK(world.last(dead) == "ping");
    for (int i = 0; i < 85; ++i) world.later(100);
    CHECK_THAT(world.last(dead), StartsWith("close 1001"));
    for (int i = 0; i < 200; ++i) world.later(100);
    CHECK(world.last(stalled) == "ping");
}
