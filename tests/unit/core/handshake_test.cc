#include "daemon/protocol/handshake.h"

#include <catch2/catch.hpp>

#include <string>

using namespace wayleave;

namespace {

const std::string kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 1.3
const std::string kVersion = "Sec-WebSocket-Version: 13\r\n";
const std::string kWish = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
const std::string kKeyLine = "Sec-WebSocket-Key: " + kKey + "\r\n";
const std::string kGood = kWish + kVersion + kKeyLine;

// Keeps the buffer that the views of the answer need.
struct Checked {
    std::string bytes;
    HttpHead head;
    std::variant<Upgrade, HandshakeRefusal> result;

    explicit Checked(const std::string& lines, const std::string& method = "GET")
        : bytes(method + " /chat HTTP/1.1\r\nHost: server.example.com\r\n" + lines + "\r\n") {
        size_t scanned = 0;
        head = std::get<HttpHead>(parse_head(bytes, {}, scanned));
        result = check_upgrade(head);
    }
    Checked(const Checked&) = delete;
    Checked& operator=(const Checked&) = delete;
    bool accepted() const { return std::holds_alternative<Upgrade>(result); }
    const Upgrade& upgrade() const { return std::get<Upgrade>(result); }
    const HandshakeRefusal& refusal() const { return std::get<HandshakeRefusal>(result); }
};

std::string with_key(const std::string& key) {
    return kWish + kVersion + "Sec-WebSocket-Key: " + key + "\r\n";
}

std::string offering(size_t number) {
    std::string list = "p0";
    for (size_t i = 1; i < number; ++i) list += ", p" + std::to_string(i);
    return kGood + "Sec-WebSocket-Protocol: " + list + "\r\n";
}

}  // namespace

TEST_CASE("the example of RFC 6455 1.2 is accepted") {
    const Checked checked(kGood +
                          "Origin: http://example.com\r\n"
                          "Sec-WebSocket-Protocol: chat, superchat\r\n");
    REQUIRE(checked.accepted());
    CHECK(checked.upgrade().key == kKey);
    CHECK(checked.upgrade().has_origin);
    CHECK(checked.upgrade().origin == "http://example.com");
    CHECK(checked.upgrade().protocols == std::vector<std::string_view>{"chat", "superchat"});
    CHECK(accept_key(kKey) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("variations that are accepted") {
    for (const std::string& lines : {
             "UPGRADE: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n" + kVersion + kKeyLine,
             "Upgrade: websocket, h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n" + kVersion + kKeyLine,
             "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + kVersion + kKeyLine,
             kGood + "Content-Length: 0\r\n",
             "Upgrade: foo,, websocket\r\nConnection: a\r\nConnection: upgrade\r\n" + kVersion + kKeyLine,
             kGood + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
             kGood + "Origin: null\r\n",
             kGood + "Origin:\r\n",
             with_key("AAAAAAAAAAAAAAAAAAAAAA=="),
             with_key("+/+/+/+/+/+/+/+/+/+/+w=="),
         }) {
        INFO(lines);
        CHECK(Checked(lines).accepted());
    }
    const Checked plain(kGood);
    CHECK_FALSE(plain.upgrade().has_origin);
    CHECK(plain.upgrade().protocols.empty());
}

TEST_CASE("what is not a WebSocket handshake is refused with 400") {
    for (const std::string& lines : {
             "Upgrade: websocket\r\n" + kVersion + kKeyLine,
             "Upgrade: websocket\r\nConnection: keep-alive\r\n" + kVersion + kKeyLine,
             kGood + "Content-Length: 5\r\n",
             kGood + "Origin: https://a\r\nOrigin: https://a\r\n",
             kWish + kVersion,
             kGood + kKeyLine,
             with_key(""),
             with_key("abc"),
             with_key("dGhlIHNhbXBsZSBub25jZQ="),
             with_key("dGhlIHNhbXBsZSBub25jZQ==="),
             with_key("dGhlIHNhbXBsZSBub25jZQAA"),
             with_key("dGhlIHNhbXBsZSBub25jZR=="),
             with_key("dGhlIHNhbXBsZSBub25jZ==="),
             with_key("dGhl-HNhbXBsZSBub25jZQ=="),
             with_key("dGhl HNhbXBsZSBub25jZQ=="),
             kGood + "Sec-WebSocket-Protocol:\r\n",
             kGood + "Sec-WebSocket-Protocol: a,\r\n",
             kGood + "Sec-WebSocket-Protocol: ,a\r\n",
             kGood + "Sec-WebSocket-Protocol: a b\r\n",
             kGood + "Sec-WebSocket-Protocol: a, b, a\r\n",
             kGood + "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n",
             kGood + "Sec-WebSocket-Protocol: \"a\"\r\n",
             kGood + "Sec-WebSocket-Protocol: " + std::string(7000, ',') + "\r\n",
         }) {
        INFO(lines);
        const Checked checked(lines);
        REQUIRE_FALSE(checked.accepted());
        CHECK(checked.refusal().status == 400);
        CHECK_FALSE(checked.refusal().reason.empty());
        CHECK_FALSE(checked.refusal().version_hint);
        CHECK_FALSE(checked.refusal().not_upgrade);
    }
}

TEST_CASE("method, version and requests without a wish") {
    for (const std::string method : {"get", "POST", "HEAD"}) {
        const Checked checked(kGood, method);
        REQUIRE_FALSE(checked.accepted());
        CHECK(checked.refusal().status == 405);
        CHECK_FALSE(checked.refusal().not_upgrade);
    }
    CHECK(Checked("", "POST").refusal().status == 405);
    CHECK(Checked("", "POST").refusal().not_upgrade);
    CHECK(Checked("").refusal().status == 426);
    CHECK(Checked("").refusal().not_upgrade);
    CHECK_FALSE(Checked("").refusal().version_hint);
    const std::string bare = kWish + kKeyLine;
    for (const std::string& lines :
         {bare, bare + "Sec-WebSocket-Version: 8\r\n", bare + "Sec-WebSocket-Version: 99\r\n",
          bare + "Sec-WebSocket-Version: 013\r\n", bare + "Sec-WebSocket-Version: 13, 8\r\n",
          kGood + kVersion}) {
        INFO(lines);
        const Checked checked(lines);
        REQUIRE_FALSE(checked.accepted());
        CHECK(checked.refusal().status == 426);
        CHECK(checked.refusal().version_hint);
        CHECK_FALSE(checked.refusal().not_upgrade);
    }
}

TEST_CASE("an Upgrade to anything else is ignored") {
    for (const std::string protocol : {"h2c", "TLS/1.0", "websockets", "", "H2C, other"}) {
        const std::string lines = "Upgrade: " + protocol + "\r\nConnection: Upgrade, HTTP2-Settings\r\n";
        for (const std::string method : {"GET", "POST", "HEAD", "OPTIONS"}) {
            INFO(method << ' ' << protocol);
            const Checked checked(lines + kVersion + kKeyLine, method);
            REQUIRE_FALSE(checked.accepted());
            CHECK(checked.refusal().not_upgrade);
            CHECK(checked.refusal().status == (method == "GET" ? 426 : 405));
        }
    }
    const Checked good(kGood);
    HttpHead old = good.head;
    old.http10 = true;  // RFC 9110 7.8
    CHECK(std::get<HandshakeRefusal>(check_upgrade(old)).not_upgrade);
}

TEST_CASE("subprotocols of all fields, in order, sixteen at most") {
    const Checked joined(kGood + "Sec-WebSocket-Protocol: c, b\r\nsec-websocket-protocol: a\r\n");
    REQUIRE(joined.accepted());
    CHECK(joined.upgrade().protocols == std::vector<std::string_view>{"c", "b", "a"});
    CHECK(Checked(offering(15)).accepted());
    CHECK(Checked(offering(16)).accepted());
    CHECK_FALSE(Checked(offering(17)).accepted());
}

TEST_CASE("responses") {
    CHECK(switching_protocols("X=", "") ==
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: X=\r\n\r\n");
    CHECK(switching_protocols("X=", "chat") ==
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: X=\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
    CHECK(http_response(404, "text/plain", "no\n", "X-A: b\r\n", true) ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: "
          "keep-alive\r\n"
          "Cache-Control: no-store\r\nX-A: b\r\n\r\nno\n");
    CHECK(http_response(426, "", "", "", false) ==
          "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nUpgrade: websocket\r\n"
          "Connection: upgrade, close\r\nCache-Control: no-store\r\n\r\n");
    CHECK(http_response(204, "text/plain", "ignored", "", true) ==
          "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n\r\n");
    CHECK(http_response(299, "", "", "", false).substr(0, 15) == "HTTP/1.1 299 \r\n");
}

TEST_CASE("every status that is sent has its phrase") {
    for (int status : {101, 200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410,
                       411, 413, 414, 415, 421, 422, 426, 429, 431, 500, 501, 502, 503, 504, 505}) {
        INFO(status);
        const std::string response = http_response(status, "", "", "", true);
        CHECK(response.find("\r\n") > 13);
    }
}
