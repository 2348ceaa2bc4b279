// Every place where a token can stand, by every way in: each block is shown what its own places carry, and
// nothing else.
#include "daemon/decision/credential.h"

#include "daemon/base/json_writer.h"
#include "daemon/protocol/http_head.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

using From = dsl::SourceKind;

// One block for each kind of place, on one route.
const std::string policy = R"(
token by_header      { keys = file "k.jwks"  from header "Authorization"  claim sub : string required
                       claim unit : string as "subject.OU" else "none" }
token by_own_header  { keys = file "k.jwks"  from header "X-Token"        claim sub : string required }
token by_cookie      { keys = file "k.jwks"  from cookie "sid"            claim sub : string required }
token by_query       { keys = file "k.jwks"  from query "token"           claim sub : string required }
token by_subprotocol { keys = file "k.jwks"  from subprotocol "bearer"    claim sub : string required }
token device {
    from certificate
    claim sub : string required
    claim unit : string as "subject.OU" else "none"
}
route header      /header      { auth = by_header             origins = { none }  allow connect }
route own_header  /own-header  { auth = by_own_header         origins = { none }  allow connect }
route cookie      /cookie      { auth = by_cookie             origins = { none }  allow connect }
route query       /query       { auth = by_query              origins = { none }  allow connect }
route subprotocol /subprotocol { auth = by_subprotocol        origins = { none }  allow connect }
route device      /device      { auth = device                origins = { none }  allow connect }
route both        /both        { auth = { by_header, device } origins = { none }  allow connect
    message secret { allow  deny if user.unit != "admin" because "not for you" }
}
backend app { url = "http://127.0.0.1:1" }
)";

struct Place {
    const char* route;
    From kind;
    const char* name;
};

const std::vector<Place> places = {{"header", From::header, "authorization"},
                                   {"own-header", From::header, "x-token"},
                                   {"cookie", From::cookie, "sid"},
                                   {"query", From::query, "token"},
                                   {"subprotocol", From::subprotocol, "bearer"}};

// The headers that bring the text, or none where it stands in the address.
std::string headers_of(const Place& place, const std::string& text) {
    const std::string route = place.route;
    if (route == "header") return "Authorization: Bearer " + text + "\r\n";
    if (route == "own-header") return "X-Token: " + text + "\r\n";
    if (route == "cookie") return "Cookie: sid=" + text + "\r\n";
    if (route == "subprotocol") return "Sec-WebSocket-Protocol: bearer, " + text + "\r\n";
    return "";
}
std::string path_of(const Place& place, const std::string& text) {
    const std::string path = std::string("/") + place.route;
    return std::string(place.route) == "query" ? path + "?token=" + text : path;
}

const std::string claims = R"({"sub":"ann","subject":{"OU":"admin"},"exp":1800000000})";

std::string auth(const std::string& token) {
    std::string quoted;
    append_json(quoted, token);
    return R"({"type":"$auth","$id":1,"token":)" + quoted + "}";
}

struct Clients : World {
    Clients() : World(policy) { verifier->tokens["good"] = claims; }

    // A request that is no upgrade; the answer's bytes.
    std::string ask(const std::string& method, const std::string& path, const std::string& headers,
                    const std::string& body = "") {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.1"), false}, now);
        feed(id, method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n" + body);
        relayed();
        return read(id);
    }
    std::string stream(const Place& place, const std::string& text) {
        return ask("GET", path_of(place, text), "Accept: text/event-stream\r\n" + headers_of(place, text));
    }
    std::string post(const Place& place, const std::string& text, const std::string& message) {
        return ask(
            "POST", path_of(place, text),
            "Wayleave-Session: 0000000000000000\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(message.size()) + "\r\n" + headers_of(place, text),
            message);
    }
    ConnectionId device(const std::string& path) {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.1"), true}, now);
        gateway->secured(id, 0x0304,
                         std::make_shared<const std::string>(R"({"sub":"ann","exp":1800000000})"));
        feed(id, "GET " + path +
                     " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
        return id;
    }
};

}  // namespace

TEST_CASE("each place brings its text by each way in") {
    for (const Place& place : places) {
        INFO(place.route);
        Clients world;
        const ConnectionId id = world.connect(path_of(place, "good"), headers_of(place, "good"));
        CHECK_THAT(world.read(id), Contains(" 101 ") && Contains(R"("user":"ann")"));
        world.say(id, auth("good"));
        CHECK_THAT(world.last(id), Contains("$ok"));
        if (place.kind != From::subprotocol) {  // only a WebSocket has one
            CHECK_THAT(world.stream(place, "good"), Contains(" 200 ") && Contains("$hello"));
            CHECK_THAT(world.post(place, "good", "{}"), Contains("unknown_session"));
        }
        for (const Credential& seen : world.verifier->seen) CHECK(seen.text == "good");
    }
}

TEST_CASE("no text is a certificate, by whichever way it comes") {
    Clients world;
    for (const std::string path : {"/device", "/both"}) {
        INFO(path);
        for (const Place& place : places) {
            const std::string headers = headers_of(place, claims);
            if (path == "/both" && std::string(place.route) == "header") continue;  // its other block's place
            CHECK_THAT(
                world.read(world.connect(path + "?token=x", place.kind == From::subprotocol ? "" : headers)),
                Contains(" 401 "));
            CHECK_THAT(
                world.ask("GET", path,
                          "Accept: text/event-stream\r\n" + (place.kind == From::subprotocol ? "" : headers)),
                Contains(" 401 "));
        }
    }
    CHECK(world.verifier->seen.empty());

    // A live connection: what its own certificate says stays as it was.
    const ConnectionId id = world.device("/both");
    CHECK_THAT(world.read(id), Contains(" 101 "));
    world.verifier->tokens[claims] = "no JSON";  // as text it proves nothing
    world.say(id, auth(claims));
    CHECK_THAT(world.last(id), Contains("unauthenticated"));
    world.say(id, R"({"type":"secret","$id":2})");
    CHECK_THAT(world.last(id), Contains("not for you"));
    for (const Credential& seen : world.verifier->seen) CHECK(seen.token == 0);  // by_header's alone

    const ConnectionId only = world.device("/device");
    (void)world.read(only);
    world.say(only, auth(claims));
    CHECK_THAT(world.last(only), Contains("this route takes certificates, and no token"));
    // Without one nobody comes in.
    CHECK_THAT(world.read(world.connect("/device")), Contains(" 401 "));
}

TEST_CASE("what cannot stand in a place is shown to nobody behind it, by whichever way it comes") {
    struct Case {
        std::string text;
        bool header, own_header, cookie, query, subprotocol;  // where it could stand
    };
    const std::vector<Case> cases = {
        {"abc.DEF-123_~+/=", true, true, true, true, false},
        {"abc.DEF-123_~+", true, true, true, true, true},
        {"a\r\nX-Admin: 1", false, false, false, false, false},
        {"a\nb", false, false, false, false, false},
        {"a\rb", false, false, false, false, false},
        {std::string("a\0b", 3), false, false, false, false, false},
        {"a\x7f", false, false, false, false, false},
        {"a\tb", false, true, false, false, false},
        {"a b", false, true, true, true, false},
        {" a", false, false, false, true, false},
        {"a ", false, false, false, true, false},
        {"a; other=1", false, true, false, true, false},
        {"a;b", true, true, false, true, false},
        {"a,b", true, true, true, true, false},
        {"\"a\"", true, true, false, true, false},
        {"a\\b", true, true, true, true, false},
        {"\xc3\xa4", false, true, false, true, false},
    };
    for (const Case& one : cases) {
        std::string shown;
        append_json(shown, one.text);
        const bool can[] = {one.header, one.own_header, one.cookie, one.query, one.subprotocol};
        for (size_t i = 0; i < places.size(); ++i) {
            const Place& place = places[i];
            INFO(place.route << ' ' << shown);
            CHECK(can_carry({place.kind, place.name}, one.text) == can[i]);
            Clients world;
            const ConnectionId id = world.connect(path_of(place, "good"), headers_of(place, "good"));
            (void)world.frames(id);
            world.verifier->seen.clear();
            world.say(id, auth(one.text));
            CHECK_THAT(world.last(id), Contains("unauthenticated"));
            CHECK(world.verifier->seen.size() == (can[i] ? 1U : 0U));
        }
    }
    CHECK_FALSE(can_carry({From::certificate, ""}, "a"));
    CHECK_FALSE(can_carry({From::header, "authorization"}, ""));
}

TEST_CASE("a backend is shown one field, which reads as what was sent") {
    for (const Place& place : {places[0], places[1], places[2]}) {
        const dsl::TokenSource source{place.kind, place.name};
        for (const std::string text : {"abc", "a=b==", "x.y-z_~", "a, b", "{\"a\": \"b c\"}", "\"a b\""}) {
            if (!can_carry(source, text)) continue;
            const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n" + header_of(source, text) + "\r\n\r\n";
            size_t scanned = 0;
            const auto parsed = parse_head(head, {}, scanned);
            REQUIRE(std::holds_alternative<HttpHead>(parsed));
            const auto& read = std::get<HttpHead>(parsed);
            CHECK(read.fields.size() == 2);
            if (place.kind == From::cookie) CHECK(cookie_value(read, "sid") == text);
            if (std::string(place.name) == "x-token") CHECK(read.field("x-token") == text);
        }
    }
}
