// Every spelling of one address meets one route, or is refused (RFC 9110 4.2.3, RFC 9112 3.2, RFC 3986 6.2).
#include "daemon/protocol/authority.h"

#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

TEST_CASE("all spellings of an authority are one value") {
    struct Case {
        const char* text;
        const char* name;  // "": it is refused
        std::optional<uint16_t> port;
    };
    for (const Case& one : {
             Case{"app.example.com", "app.example.com", {}},
             {"APP.Example.COM", "app.example.com", {}},
             {"app.example.com.", "app.example.com", {}},
             {"app.example.com.:8443", "app.example.com", 8443},
             {"app.example.com:", "app.example.com", {}},
             {"app.example.com:0443", "app.example.com", 443},
             {"localhost", "localhost", {}},
             {"a_b", "a_b", {}},
             {"xn--bcher-kva.example", "xn--bcher-kva.example", {}},
             {"127.0.0.1:80", "127.0.0.1", 80},
             {"127.0.0.1.", "127.0.0.1", {}},
             {"[::1]", "[::1]", {}},
             {"[0:0:0:0:0:0:0:1]:80", "[::1]", 80},
             {"[2001:DB8::00ff]", "[2001:db8::ff]", {}},
             {"[::ffff:7f00:1]", "[::ffff:127.0.0.1]", {}},
             // what is refused
             {"", "", {}},
             {".", "", {}},
             {"..", "", {}},
             {".a", "", {}},
             {"a..b", "", {}},
             {"a..", "", {}},
             {":80", "", {}},
             {"a:b", "", {}},
             {"a:65536", "", {}},
             {"a:+80", "", {}},
             {"a: 80", "", {}},
             {"a:80:80", "", {}},
             {"a b", "", {}},
             {"a/b", "", {}},
             {"u@a", "", {}},
             {"a%2eb", "", {}},
             {"b\xc3\xbc"
              "cher.example",
              "",
              {}},
             {"127.1", "", {}},
             {"2130706433", "", {}},
             {"0x7f.0.0.1", "", {}},
             {"0x7f000001", "", {}},
             {"127.0.0.01", "", {}},
             {"127.0.0.256", "", {}},
             {"1.2.3.4.5", "", {}},
             {"app.example.1", "", {}},
             {"[::1", "", {}},
             {"[]", "", {}},
             {"[127.0.0.1]", "", {}},
             {"[fe80::1%25eth0]", "", {}},
             {"[::1]a", "", {}},
             {"::1", "", {}},
         }) {
        INFO(one.text);
        const auto parsed = parse_authority(one.text);
        CHECK(parsed.has_value() == (*one.name != '\0'));
        if (parsed) CHECK(*parsed == Authority{one.name, one.port});
    }
    CHECK_FALSE(parse_authority(std::string(256, 'a')));
    CHECK(parse_authority(std::string(255, 'a')));
    CHECK_FALSE(parse_authority(std::string_view("a\0b", 3)));
    CHECK(Authority{"[::1]", 80}.text() == "[::1]:80");
}

namespace {

const std::string policy = R"(
route guarded app.example.com/ws { auth = none  origins = { same_host, none }  allow connect
    message who { allow  deny because "guarded" } }
route open /ws { auth = none  origins = { none }  allow connect
    message who { allow  deny because "open" } }
)";

// "guarded", "open", or the status of the refusal.
std::string met(World& world, const std::string& target, const std::string& host,
                const std::string& headers = "") {
    const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
    world.feed(id, "GET " + target + " HTTP/1.1\r\nHost: " + host +
                       "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                       "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
                       headers + "\r\n");
    const std::string answer = world.read(id);
    if (answer.find(" 101 ") == std::string::npos) return answer.substr(9, 3);
    world.say(id, R"({"type":"who","$id":1})");
    return world.last(id).find("guarded") != std::string::npos ? "guarded" : "open";
}

}  // namespace

TEST_CASE("no spelling of a host leads past the route that names it") {
    World world(policy);
    for (const std::string host :
         {"app.example.com", "App.Example.Com", "app.example.com.", "app.example.com:80",
          "app.example.com:8080", "app.example.com:", "APP.EXAMPLE.COM.:080"}) {
        INFO(host);
        CHECK(met(world, "/ws", host) == "guarded");
        CHECK(met(world, "http://" + host + "/ws", host) == "guarded");
        CHECK(met(world, "HTTPS://" + host + "/ws?a=b", host) == "guarded");
    }
    CHECK(met(world, "http://app.example.com./ws", "APP.example.com") == "guarded");
    for (const std::string host : {"other.example.com", "example.com", "xapp.example.com", "127.0.0.1"}) {
        INFO(host);
        CHECK(met(world, "/ws", host) == "open");
        // Which of the two is meant? Nobody who stands between need have understood the same.
        CHECK(met(world, "http://app.example.com/ws", host) == "400");
        CHECK(met(world, "http://" + host + "/ws", "app.example.com") == "400");
    }
    for (const std::string host : {"app.example.com..", "app..example.com", "app%2eexample.com", ".", ""})
        CHECK(met(world, "/ws", host) == "400");
    // Of paths: what decodes to the same is the same, and what a server could resolve is refused.
    for (const std::string path : {"/ws", "/%77s", "/%77%73"})
        CHECK(met(world, path, "app.example.com") == "guarded");
    for (const std::string path : {"/./ws", "/x/../ws", "//ws", "/%2e/ws", "/ws%2f", "/.%2e/ws", "ws"})
        CHECK(met(world, path, "app.example.com") == "400");
    for (const std::string path : {"/ws/", "/WS", "/ws;a=b", "/ws%20"})
        CHECK(met(world, path, "app.example.com") == "404");
}

TEST_CASE("same_host compares what a browser writes with every spelling of the host") {
    World world(policy);
    struct Case {
        const char* host;
        const char* origin;
        const char* answer;
    };
    for (const Case& one : {
             Case{"app.example.com", "https://app.example.com", "guarded"},
             {"App.Example.com.", "https://app.example.com", "guarded"},
             {"app.example.com:443", "https://app.example.com", "guarded"},
             {"app.example.com:0443", "https://app.example.com", "guarded"},
             {"app.example.com:8443", "https://app.example.com:8443", "guarded"},
             {"app.example.com:80", "http://app.example.com", "guarded"},
             {"app.example.com:8443", "https://app.example.com", "403"},
             {"app.example.com", "https://app.example.com:8443", "403"},
             {"app.example.com", "https://other.example.com", "403"},
             {"app.example.com", "https://app.example.com.evil.test", "403"},
             {"app.example.com", "null", "403"},
         }) {
        INFO(one.host << ' ' << one.origin);
        CHECK(met(world, "/ws", one.host, std::string("Origin: ") + one.origin + "\r\n") == one.answer);
    }
}

TEST_CASE("an alias brings a capture nothing that the route's address could not hold") {
    World world(R"(
route room /room/:name(slug) { auth = none  origins = { none }  allow connect
    alias /old where name = query "room"
    alias /older/:name
}
route made /made/:id(uuid), /also/:id(hex) { auth = none  origins = { none }  allow connect
    alias /made where id = query "id"
}
)");
    const auto status = [&](const std::string& target) {
        return world.read(world.connect(target)).substr(9, 3);
    };
    CHECK(status("/room/a-b") == "101");
    CHECK(status("/room/A.B") == "404");
    CHECK(status("/old?room=a-b") == "101");
    CHECK(status("/older/a-b") == "101");
    for (const std::string bad : {"A.B", "a%20b", "..%2e", "%C3%A4", "a%2Fb"}) {
        INFO(bad);
        CHECK(status("/old?room=" + bad) == "400");
        CHECK(status("/older/" + bad) == "400");
    }
    CHECK(status("/old") == "400");
    CHECK(status("/old?room=") == "400");
    CHECK(status("/made?id=7f") == "101");
    CHECK(status("/made?id=123e4567-e89b-12d3-a456-426614174000") == "101");
    CHECK(status("/made?id=x") == "400");
}
