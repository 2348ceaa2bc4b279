// Server-Sent Events and the POSTs that go with them.
#include <regex>

#include "daemon/message/sse.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token session {
    keys = file "keys.jwks"  exp = optional
    from query "token"
    claim sub : string required
}
channel room/** { history = 5  keep = 1h }
channel mail/:u { history = 5  keep = 1h  acks = user }
route chat /chat {
    auth = session
    origins = { "https://app.example.com", none }
    ping_every = 20s
    idle_timeout = 30s
    max_lifetime = 10m
    max_message = 1kb
    allow connect
    join room/lobby
    join mail/{user.sub}
    allow subscribe, publish on **
    message say { field text : string required  set from = user.sub  set size = message.size  allow
                  publish to room/lobby }
}
route drops /drops { auth = none  slow_consumer = newest  max_queue = 4kb  idle_timeout = 0s  allow connect
                     allow subscribe, publish on ** }
token named {
    keys = file "keys.jwks"  exp = optional
    from header "X-Session"
    from header "authorization"
    from cookie "sid"
    claim sub : string required
}
route named /named {
    auth = named
    origins = { "https://app.example.com" }
    idle_timeout = 0s
    input tenant : string from header "X-Tenant" else ""
    allow connect
}
)";

struct Streams : World {
    Streams() : World(policy) {}

    ConnectionId open(const std::string& path, const std::string& headers = "") {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.1"), false}, now);
        feed(id, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n" + headers +
                     "\r\n");
        return id;
    }
    // The answer of a connection of its own.
    std::string post(const std::string& path, const std::string& session, const std::string& body,
                     const std::string& headers = "") {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.2"), false}, now);
        feed(id, "POST " + path +
                     " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nWayleave-Session: " +
                     session + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
                     "\r\n" + body);
        relayed();
        turn();
        relayed();
        return read(id);
    }
};

std::string found(const std::string& text, const std::string& pattern) {
    std::smatch match;
    std::string out;
    for (auto at = text.cbegin(); std::regex_search(at, text.cend(), match, std::regex(pattern));
         at = match[0].second)
        out = match[1];
    return out;
}

std::string session_in(const std::string& stream) {
    return found(stream, "\"session\":\"([0-9a-f]{16})\"");
}

std::string last_id(const std::string& stream) {
    return found(stream, "id: (\\S+)\n");
}

std::string as(const std::string& user) {
    return "/chat?token={\"sub\":\"" + user + "\"}";
}

}  // namespace

TEST_CASE("a stream begins with its head, a time to wait, and $hello with an id") {
    Streams world;
    const ConnectionId id = world.open(as("alice"));
    const std::string text = world.read(id);
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
    CHECK_THAT(text, Contains("\r\n\r\nretry: "));
    CHECK_THAT(text, Contains("\nid: 1"));
    CHECK_THAT(text, Contains("data: {\"type\":\"$hello\""));
    CHECK(text.ends_with("\n\n"));
    CHECK(world.counters.streams.get() == 1);
    CHECK(world.counters.connections.get() == 1);
    world.gone(id);
    CHECK(world.counters.streams.get() == 0);
    CHECK(world.counters.connections.get() == 0);
}

TEST_CASE("a publication is one event with the positions of all channels in its id") {
    Streams world;
    const ConnectionId id = world.open(as("alice") + "&channel=room/a");
    const std::string session = session_in(world.read(id));
    CHECK_THAT(world.post(as("alice"), session, R"({"type":"$publish","channel":"room/a","data":{"n":1}})"),
               Contains("HTTP/1.1 200") && Contains(R"({"type":"$ok","epoch":)"));
    const std::string text = world.read(id);
    CHECK_THAT(text, Contains("data: {\"$\":{\"channel\":\"room/a\""));
    const auto positions = StreamPositions::parse(last_id(text));
    REQUIRE(positions);
    CHECK(positions->places().size() == 3);
    CHECK(positions->find(channel_mark("room/a"))->offset == 1);
    CHECK(positions->find(channel_mark("room/lobby"))->offset == 0);
}

TEST_CASE("an id brings back what was missed, also where the broker answers later") {
    const bool later = GENERATE(false, true);
    Streams world;
    const ConnectionId first = world.open(as("alice"));
    const std::string hello = world.read(first);
    const std::string session = session_in(hello);
    for (int i = 1; i <= 3; ++i) {
        (void)world.post(
            as("alice"), session,
            R"({"type":"$publish","channel":"room/lobby","data":{"n":)" + std::to_string(i) + "}}");
    }
    world.gone(first);
    world.broker.later = later;
    const ConnectionId again = world.open(as("alice"), "Last-Event-ID: " + last_id(hello) + "\r\n");
    std::string text;
    for (int i = 0; i < 5; ++i) {
        world.answer();
        world.turn();
        text += world.read(again);
    }
    CHECK_THAT(text, Contains("\"channel\":\"room/lobby\"") && Contains("\"recovered\":true"));
    CHECK(text.find("\"recovered\":false") == std::string::npos);
    CHECK(text.find("\"n\":1") < text.find("\"n\":2"));
    CHECK(text.find("\"n\":2") < text.find("\"n\":3"));
    CHECK(StreamPositions::parse(last_id(text))->find(channel_mark("room/lobby"))->offset == 3);
}

TEST_CASE("an id that is not ours is no error, and recovers nothing") {
    Streams world;
    const std::string text = world.read(world.open(as("alice"), "Last-Event-ID: 17\r\n"));
    CHECK_THAT(text, Contains("HTTP/1.1 200") && Contains("\"recovered\":false"));
    CHECK_THAT(world.read(world.open(as("alice"), "Last-Event-ID: end\r\n")), Contains("HTTP/1.1 204"));
}

TEST_CASE("silence ends no stream, and is filled with comments") {
    Streams world;
    const ConnectionId id = world.open(as("alice"));
    (void)world.read(id);
    for (int i = 0; i < 8; ++i) {
        world.later(20'500);
        CHECK(world.read(id) == ":\n\n");
    }
    for (int i = 0; i < 30; ++i) world.later(20'000);
    const std::string text = world.read(id);
    CHECK_THAT(text, Contains("retry: ") && Contains("\"reason\":\"max_lifetime\""));
    CHECK(last_id(text).empty());
    CHECK(world.gateway->closing(id));
}

TEST_CASE("nothing overtakes on a stream, and what a slow reader loses is whole events") {
    Streams world;
    const ConnectionId id = world.open("/drops?channel=room/a");
    const std::string session = session_in(world.read(id));
    world.gateway->blocked(id, world.now);
    for (int i = 0; i < 40; ++i) {
        (void)world.post(
            "/drops", session,
            R"({"type":"$publish","channel":"room/a","data":{"n":"x)" + std::string(200, 'y') + "\"}}");
    }
    const std::string text = world.read(id);
    CHECK(std::regex_match(text, std::regex("((id: \\S+\n)?data: [^\n]*\n\n)+")));
    CHECK(world.counters.dropped.get() > 0);
}

TEST_CASE("a POST is answered under the client's own name for it") {
    Streams world;
    const std::string session = session_in(world.read(world.open(as("alice"))));
    const auto ask = [&](const std::string& body) { return world.post(as("alice"), session, body); };
    CHECK_THAT(ask(R"({"type":"$ping","$id":"a\"b"})"),
               Contains("\r\n\r\n{\"type\":\"$pong\",\"re\":\"a\\\"b\"}"));
    CHECK_THAT(ask(R"({"type":"$ping","$id":7})"), Contains("{\"type\":\"$pong\",\"re\":7}"));
    CHECK_THAT(ask(R"({"type":"$ping"})"), Contains("{\"type\":\"$pong\"}"));
    CHECK_THAT(ask(R"({"type":"$subscribe","channel":"room/b"})"),
               Contains("{\"type\":\"$subscribed\",\"channel\":\"room/b\",\"epoch\""));
    CHECK_THAT(ask(R"({"type":"$nothing","$id":"x"})"), Contains("HTTP/1.1 404") && Contains("\"re\":\"x\""));
    CHECK_THAT(ask("nonsense"), Contains("HTTP/1.1 400") && Contains("bad_message"));
    CHECK_THAT(ask(std::string(1025, ' ')), Contains("HTTP/1.1 413"));
}

TEST_CASE("what the server sets is its word, for a POST and for a WebSocket alike") {
    Streams world;
    const ConnectionId id = world.open(as("alice"));
    std::string text = world.read(id);
    CHECK_THAT(
        world.post(as("alice"), session_in(text), R"({"type":"say","$id":1,"text":"hi","from":"bob"})"),
        Contains("$ok"));
    text = world.read(id);
    CHECK_THAT(text, Contains(R"("from":"alice","size":47,"type":"say","text":"hi"})"));
    CHECK(text.find("bob") == std::string::npos);
    const ConnectionId socket = world.connect(as("carol"));
    world.say(socket, R"({"type":"say","text":"ho","fr\u006fm":"bob"})");
    text = world.read(id);
    CHECK_THAT(text, Contains(R"("from":"carol","size":44,"type":"say","text":"ho"})"));
    // As good as twice is refused, as ever.
    world.say(socket, R"({"type":"say","$id":3,"text":"ho","from":"a","fr\u006fm":"b"})");
    CHECK_THAT(world.frames(socket).back(), Contains("a member stands twice"));
}

TEST_CASE("a body that is not read is refused with what is wrong") {
    Streams world;
    const std::string session = session_in(world.read(world.open(as("alice"))));
    const auto ask = [&](const std::string& type, const std::string& more = "") {
        const ConnectionId id = world.gateway->opened({}, world.now);
        world.feed(id, "POST " + as("alice") + " HTTP/1.1\r\nHost: localhost\r\nWayleave-Session: " +
                           session + "\r\nContent-Length: 16\r\nContent-Type: " + type + "\r\n" + more +
                           "\r\n{\"type\":\"$ping\"}");
        world.relayed();
        return world.read(id);
    };
    for (const std::string type : {"application/json", "Application/JSON ;charset=\"UTF-8\"",
                                   "application/json; Charset=utf8; x=y", "application/json;"}) {
        INFO(type);
        CHECK_THAT(ask(type), Contains("HTTP/1.1 200"));
    }
    CHECK_THAT(ask("application/json", "Content-Encoding: identity\r\n"), Contains("HTTP/1.1 200"));
    CHECK_THAT(ask("application/json", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"),
               Contains("HTTP/1.1 200"));
    CHECK_THAT(ask("text/plain"), Contains("HTTP/1.1 415") && Contains("a message is application/json"));
    for (const std::string type :
         {"application/json; charset=utf-16", "application/json;x=y; charset=latin1"}) {
        INFO(type);
        CHECK_THAT(ask(type), Contains("HTTP/1.1 415") && Contains("a message has the charset UTF-8"));
    }
    for (const std::string coding : {"gzip", "br", "identity, gzip"}) {
        INFO(coding);
        CHECK_THAT(ask("application/json", "Content-Encoding: " + coding + "\r\n"),
                   Contains("HTTP/1.1 415") && Contains("without Content-Encoding"));
    }
}

TEST_CASE("HEAD is answered as GET is, without a stream") {
    Streams world;
    const auto ask = [&](const std::string& path, const std::string& version = "1.1") {
        const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
        world.feed(id,
                   "HEAD " + path + " HTTP/" + version + "\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
        return world.read(id);
    };
    const std::string head = ask(as("alice"));
    CHECK_THAT(head, Contains("HTTP/1.1 200") && Contains("Content-Type: text/event-stream"));
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK(world.counters.streams.get() == 0);
    const std::string refused = ask("/chat");
    CHECK_THAT(refused, Contains("HTTP/1.1 401"));
    CHECK(refused.ends_with("\r\n\r\n"));
}

TEST_CASE("a stream of HTTP/1.0 lasts until the connection is closed") {
    Streams world;
    const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
    world.feed(id,
               "GET " + as("alice") + " HTTP/1.0\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n");
    const std::string text = world.read(id);
    CHECK_THAT(text, Contains("HTTP/1.1 200") && Contains("$hello") && !Contains("chunked"));
    CHECK(world.counters.streams.get() == 1);
}

TEST_CASE("a preflight names every header that the policy reads") {
    Streams world;
    const auto ask = [&](const std::string& path) {
        const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
        world.feed(id, "OPTIONS " + path +
                           " HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n"
                           "Access-Control-Request-Method: GET\r\n\r\n");
        return world.read(id);
    };
    const std::string known = "Authorization, Cache-Control, Content-Type, Last-Event-ID, Wayleave-Session";
    CHECK_THAT(ask("/chat"), Contains("\r\nAccess-Control-Allow-Headers: " + known + "\r\n"));
    CHECK_THAT(ask("/named"),
               Contains("\r\nAccess-Control-Allow-Headers: " + known + ", x-session, x-tenant\r\n"));
}

// The `$auth` of a page that cannot read its own cookie.
TEST_CASE("a POST renews the session of who has a cookie, of a stream and of a WebSocket alike") {
    Streams world;
    const std::string origin = "Origin: https://app.example.com\r\n";
    const auto cookie = [&](const std::string& name, const std::string& claims) {
        world.verifier->tokens[name] = claims;
        return origin + "Cookie: sid=" + name + "\r\n";
    };
    const std::string first = cookie("first", R"({"sub":"ann","exp":1700000060})");
    const std::string second = cookie("second", R"({"sub":"ann","exp":1700000600})");
    const std::string other = cookie("other", R"({"sub":"bob","exp":1700000600})");
    for (const bool stream : {true, false}) {
        INFO(stream);
        const ConnectionId id = stream ? world.open("/named", first) : world.connect("/named", first);
        const std::string session = session_in(world.read(id));
        const auto ask = [&](const std::string& body, const std::string& headers) {
            return world.post("/named", session, body, headers);
        };
        CHECK_THAT(ask(R"({"type":"$auth","$id":7})", second), Contains("HTTP/1.1 200") &&
                                                                   Contains(R"("type":"$ok","re":7)") &&
                                                                   Contains("\"expires\":1700000600"));
        CHECK(world.read(id).empty());  // the answer is the POST's alone
        CHECK_THAT(ask(R"({"type":"$auth"})", other), Contains("HTTP/1.1 404"));
        CHECK_THAT(ask(R"({"type":"$auth"})", origin), Contains("HTTP/1.1 401"));
        CHECK_THAT(ask(R"({"type":"$auth","token":"bad"})", second), Contains("HTTP/1.1 401"));
        CHECK_THAT(ask(R"({"type":"$ping","$id":1})", second),
                   stream ? Contains("HTTP/1.1 200") : Contains("HTTP/1.1 404"));
        world.later(70'000);  // beyond the first one's end
        CHECK_FALSE(world.gateway->closing(id));
        world.gone(id);
        CHECK_THAT(ask(R"({"type":"$auth"})", second), Contains("HTTP/1.1 404"));
        world.now.wall_ms -= 70'000;
    }
}

TEST_CASE("an answer that the broker gives later finds its way") {
    Streams world;
    const std::string session = session_in(world.read(world.open(as("alice"))));
    world.broker.later = true;
    const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.2"), false}, world.now);
    const std::string body = R"({"type":"$publish","channel":"room/a","data":{},"$id":1})";
    world.feed(id,
               "POST " + as("alice") +
                   " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nWayleave-Session: " +
                   session + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    world.relayed();
    CHECK(world.read(id).empty());
    world.answer();
    world.relayed();
    CHECK_THAT(world.read(id), Contains("HTTP/1.1 200") && Contains("{\"type\":\"$ok\",\"re\":1,"));
}

TEST_CASE("who is not the session's user gets the answer of an unknown session") {
    Streams world;
    const ConnectionId stream = world.open(as("alice"));
    const std::string session = session_in(world.read(stream));
    const std::string message = R"({"type":"$ping"})";
    const std::string foreign = world.post(as("bob"), session, message);
    CHECK_THAT(foreign, Contains("HTTP/1.1 404") && Contains("unknown_session"));
    CHECK(foreign == world.post(as("bob"), "00000000000abc00", message));
    CHECK_THAT(world.post("/drops", session, message), Contains("HTTP/1.1 404"));
    CHECK_THAT(world.post("/chat?token=bad", session, message), Contains("HTTP/1.1 401"));
    CHECK_THAT(world.post(as("alice"), session, message, "Origin: https://evil.example\r\n"),
               Contains("HTTP/1.1 403"));
    world.gone(stream);
    CHECK_THAT(world.post(as("alice"), session, message), Contains("HTTP/1.1 404"));
}

TEST_CASE("a session that ends leaves no POST without an answer") {
    Streams world;
    const ConnectionId stream = world.open(as("alice"));
    const std::string session = session_in(world.read(stream));
    world.broker.later = true;
    const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.2"), false}, world.now);
    const std::string body = R"({"type":"$publish","channel":"room/a","data":{}})";
    world.feed(id,
               "POST " + as("alice") +
                   " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nWayleave-Session: " +
                   session + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    world.relayed();
    world.gone(stream);
    world.relayed();
    CHECK_THAT(world.read(id), Contains("HTTP/1.1 410") && Contains("unknown_session"));
}

TEST_CASE("a page that sends no Origin is not a program") {
    World world(R"(
token web { keys = file "k"  exp = optional  from cookie "sid"  claim sub : string required }
route chat app.example.com/chat { auth = web  origins = { "https://app.example.com", none }  allow connect
    limit connections to 1 per user.sub on excess replace_oldest }
)");
    world.verifier->tokens["abc"] = R"({"sub":"ann"})";
    const auto status = [&](const std::string& headers) {
        const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
        world.feed(id,
                   "GET /chat HTTP/1.1\r\nHost: app.example.com\r\nAccept: text/event-stream\r\n"
                   "Cookie: sid=abc\r\n" +
                       headers + "\r\n");
        return world.read(id).substr(9, 3);
    };
    CHECK(status("") == "200");  // a program
    CHECK(status("Sec-Fetch-Site: same-origin\r\n") == "200");
    CHECK(status("Sec-Fetch-Site: none\r\n") == "200");  // the user, at the address bar
    CHECK(status("Referer: https://app.example.com/page\r\nSec-Fetch-Site: cross-site\r\n") == "200");
    const size_t ended = world.slots.evicted.size();
    for (const std::string headers :
         {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n", "Sec-Fetch-Site: x\r\n",
          "Sec-Fetch-Site: \r\n", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
          "Referer: https://evil.example/\r\nSec-Fetch-Site: cross-site\r\n",
          "Referer: https://evil.example/\r\n", "Origin: \r\n",
          "Referer: about:blank\r\nSec-Fetch-Site: cross-site\r\n"}) {
        INFO(headers);
        CHECK(status(headers) == "403");
    }
    CHECK(world.slots.evicted.size() == ended);
}

TEST_CASE("what a POST subscribed to comes back with the browser") {
    Streams world;
    const ConnectionId first = world.open(as("alice") + "&channel=room/a");
    const std::string session = session_in(world.read(first));
    CHECK_THAT(world.post(as("alice"), session, R"({"type":"$subscribe","channel":"room/b"})"),
               Contains("$subscribed"));
    CHECK_THAT(world.post(as("alice"), session, R"({"type":"$subscribe","channel":"plain"})"),
               Contains("$subscribed"));
    const std::string id = last_id(world.read(first));  // an id without an event
    world.gone(first);
    const ConnectionId writer = world.open(as("bob"));
    const std::string other = session_in(world.read(writer));
    (void)world.post(as("bob"), other, R"({"type":"$publish","channel":"room/b","data":{"n":1}})");
    // The browser asks for the same address, with the id that it had last.
    const ConnectionId again = world.open(as("alice") + "&channel=room/a", "Last-Event-ID: " + id + "\r\n");
    const std::string text = world.read(again);
    CHECK_THAT(text,
               Contains(R"("channel":"room/b")") && Contains("\"n\":1") && Contains(R"("channel":"plain")"));
    CHECK(text.find("\"recovered\":false,\"channel\":\"room") == std::string::npos);
    (void)world.post(as("bob"), other, R"({"type":"$publish","channel":"room/b","data":{"n":2}})");
    (void)world.post(as("bob"), other, R"({"type":"$publish","channel":"plain","data":{"n":3}})");
    const std::string more = world.read(again);
    CHECK_THAT(more, Contains("\"n\":2") && Contains("\"n\":3"));
    // What was left does not come back.
    (void)world.post(as("alice"), session_in(text), R"({"type":"$unsubscribe","channel":"room/b"})");
    const auto left = StreamPositions::parse(last_id(world.read(again)));
    REQUIRE(left);
    CHECK(left->names() == std::vector<std::string>{"plain"});
}

TEST_CASE("where the last channel is left, the browser forgets its id") {
    Streams world;
    const ConnectionId stream = world.open("/drops");
    const std::string session = session_in(world.read(stream));
    const auto post = [&](const std::string& body) {
        (void)world.post("/drops", session, body);
        return world.read(stream);
    };
    CHECK(last_id(post(R"({"type":"$subscribe","channel":"plain"})")).empty() == false);
    CHECK_THAT(post(R"({"type":"$unsubscribe","channel":"plain"})"), Contains("id: \n\n"));
}

TEST_CASE("the largest id that is given is taken back whole") {
    Streams world;
    const ConnectionId first = world.open(as("alice"));
    const std::string session = session_in(world.read(first));
    std::string answer;
    int subscribed = 0;
    for (; subscribed < 90; ++subscribed) {
        answer = world.post(as("alice"), session,
                            R"({"type":"$subscribe","channel":"room/)" + std::string(30, 'x') +
                                std::to_string(subscribed) + "\"}");
        if (answer.find("$subscribed") == std::string::npos) break;
    }
    CHECK(subscribed > 20);
    CHECK_THAT(answer, Contains(" 429 ") && Contains("name them in its address"));
    const std::string id = last_id(world.read(first));
    CHECK(id.size() <= StreamPositions::most_id);
    const auto parsed = StreamPositions::parse(id);
    REQUIRE(parsed);
    CHECK(parsed->names().size() == static_cast<size_t>(subscribed));
    CHECK(parsed->id() == id);
    world.gone(first);
    const std::string text = world.read(world.open(as("alice"), "Last-Event-ID: " + id + "\r\n"));
    for (int i = 0; i < subscribed; ++i)
        CHECK_THAT(text, Contains(std::string(30, 'x') + std::to_string(i) + "\""));
    // The other things that are handed out, at their largest.
    CHECK(parse_epoch(epoch_text((uint64_t{1} << 48) - 1)) == (uint64_t{1} << 48) - 1);
    StreamPositions most;
    for (uint64_t i = 1; most.add(i, {(uint64_t{1} << 48) - 1, INT64_MAX}); ++i) {
    }
    CHECK(most.id().size() <= StreamPositions::most_id);
    CHECK(StreamPositions::parse(most.id()));
}

TEST_CASE("an id whose names are none is not ours") {
    const std::vector<std::string> bad = {"1,",  "1,a,",     "1,,a", "1,a b",
                                          "1,.", "1,a/../b", "1,:a", "1," + std::string(300, 'a')};
    for (const std::string& id : bad) CHECK_FALSE(StreamPositions::parse(id));
    CHECK(StreamPositions::parse("1,a,room/b")->names() == std::vector<std::string>{"a", "room/b"});
    std::string much = "1";
    for (int i = 0; i < 20; ++i) much += "," + std::string(60, 'a') + std::to_string(i);
    CHECK_FALSE(StreamPositions::parse(much));
}
