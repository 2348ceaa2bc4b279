// Who is behind the proxies: spoofing above all.
#include "daemon/protocol/forwarded.h"

#include <catch2/catch.hpp>
#include <string>

using namespace wayleave;

namespace {

const ProxyTrust trust_in(ForwardedHeader header) {
    return {{*dsl::parse_net("10.0.0.0/8"), *dsl::parse_net("2001:db8:ffff::/48")}, header};
}

std::string client(ForwardedHeader header, const std::string& fields, const std::string& peer = "10.0.0.1",
                   bool tls = false) {
    const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
    size_t scanned = 0;
    const HeadResult parsed = parse_head(text, HeadLimits{}, scanned);
    REQUIRE(std::holds_alternative<HttpHead>(parsed));
    const Origination found =
        client_behind({*dsl::parse_address(peer), tls}, std::get<HttpHead>(parsed), trust_in(header));
    return found.ip.text() + (found.tls ? " tls" : "");
}

struct Case {
    const char* fields;
    const char* expected;
};

}  // namespace

TEST_CASE("X-Forwarded-For counts from the right, past trusted hops only") {
    for (const Case& c : {
             Case{"", "10.0.0.1"},
             Case{"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
             Case{"x-forwarded-for:203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 127.0.0.1, 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.2.0.1\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 10.9.9.9\r\n", "10.9.9.9"},  // a client inside
             Case{"X-Forwarded-For: 10.9.9.9, 10.2.0.1\r\n", "10.9.9.9"},
             Case{"X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
             Case{"X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7"},
             Case{"X-Forwarded-For: [2001:db8::7]:443\r\n", "2001:db8::7"},
             Case{"X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 198.51.100.1, 2001:db8:ffff::1\r\n", "198.51.100.1"},
             Case{"X-Forwarded-For: fe80::1%eth0\r\n", "fe80::1"},
             Case{"X-Forwarded-For: [fe80::1%25]:80\r\n", "fe80::1"},
             Case{"X-Forwarded-For: fe80::1%\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7%eth0\r\n", "::"},
             // What is no address ends the walk: the proxy is not its own client.
             Case{"X-Forwarded-For: unknown\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7, unknown\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7, , 10.2.0.1\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7,\r\n", "::"},
             Case{"X-Forwarded-For: ,203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: 203.0.113.7 198.51.100.1\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.300\r\n", "::"},
             Case{"X-Forwarded-For: 0xcb007107\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7:\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7:80:80\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7:x\r\n", "::"},
             Case{"X-Forwarded-For: [203.0.113.7]\r\n", "::"},
             Case{"X-Forwarded-For: [2001:db8::7\r\n", "::"},
             Case{"X-Forwarded-For: [2001:db8::7]x\r\n", "::"},
             Case{"X-Forwarded-For: \"203.0.113.7\"\r\n", "::"},
             // It knows no quotes, and what a client writes to the left hides nobody.
             Case{"X-Forwarded-For: \"198.51.100.1, 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: \", 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: a\"b, 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: \"\\, 203.0.113.7\r\n", "203.0.113.7"},
             Case{"X-Forwarded-For: \", 203.0.113.7, 10.2.0.1\r\n", "203.0.113.7"},
             // Other headers are nobody's word.
             Case{"Forwarded: for=203.0.113.7\r\n", "10.0.0.1"},
             Case{"X-Real-IP: 203.0.113.7\r\n", "10.0.0.1"},
             Case{"X_Forwarded_For: 203.0.113.7\r\n", "10.0.0.1"},
             Case{"X-Forwarded-Proto: https\r\n", "10.0.0.1"},
             Case{"True-Client-IP: 203.0.113.7\r\n", "10.0.0.1"},
         }) {
        INFO(c.fields);
        CHECK(client(ForwardedHeader::x_forwarded_for, c.fields) == c.expected);
    }
}

TEST_CASE("an unknown client is marked as such") {
    const auto unknown = [](const std::string& fields, const std::string& peer) {
        const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
        size_t scanned = 0;
        const HeadResult parsed = parse_head(text, HeadLimits{}, scanned);
        return client_behind({*dsl::parse_address(peer)}, std::get<HttpHead>(parsed),
                             trust_in(ForwardedHeader::x_forwarded_for))
            .unknown;
    };
    CHECK(unknown("X-Forwarded-For: unknown\r\n", "10.0.0.1"));
    CHECK_FALSE(unknown("X-Forwarded-For: unknown, 203.0.113.7\r\n", "10.0.0.1"));
    CHECK_FALSE(unknown("X-Forwarded-For: unknown\r\n", "192.0.2.9"));
    CHECK_FALSE(unknown("", "10.0.0.1"));
}

TEST_CASE("Forwarded is read to the letter") {
    for (const Case& c : {
             Case{"Forwarded: for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: For=203.0.113.7;Proto=HTTPS;by=10.0.0.1\r\n", "203.0.113.7 tls"},
             Case{"Forwarded: for=203.0.113.7;proto=http\r\n", "203.0.113.7"},
             Case{"Forwarded: for=\"203.0.113.7:80\"\r\n", "203.0.113.7"},
             Case{"Forwarded: for=\"[2001:db8::7]:80\";proto=wss\r\n", "2001:db8::7 tls"},
             Case{"Forwarded: for=198.51.100.1;proto=https, for=203.0.113.7;proto=http\r\n", "203.0.113.7"},
             Case{"Forwarded: for=203.0.113.7;proto=https, for=10.2.0.1\r\n", "203.0.113.7 tls"},
             Case{"Forwarded: for=198.51.100.1\r\nForwarded: for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: for=\", for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: for=\"\\, for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: a\"b, for=\"203.0.113.7:80\"\r\n", "203.0.113.7"},
             Case{"Forwarded: for=\"198.51.100.1, for=203.0.113.7\"\r\n", "::"},
             Case{"Forwarded: by=\"a,b;c\";for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: by=\"a\\\",for=198.51.100.1\";for=203.0.113.7\r\n", "203.0.113.7"},
             Case{"Forwarded: for=unknown\r\n", "::"},
             Case{"Forwarded: for=_hidden, for=10.2.0.1\r\n", "::"},
             Case{"Forwarded: for=2001:db8::7\r\n", "::"},  // must be quoted
             Case{"Forwarded: for=203.0.113.7;for=198.51.100.1\r\n", "::"},
             Case{"Forwarded: for = 203.0.113.7\r\n", "::"},
             Case{"Forwarded: for=\"203.0.113.7\r\n", "::"},
             Case{"Forwarded: proto=https\r\n", "::"},
             Case{"X-Forwarded-For: 203.0.113.7\r\n", "10.0.0.1"},
         }) {
        INFO(c.fields);
        CHECK(client(ForwardedHeader::forwarded, c.fields) == c.expected);
    }
}

TEST_CASE(
    "the peer of a Unix socket is believed where these are trusted, and nobody else without an address") {
    const std::string text = "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
    size_t scanned = 0;
    const HeadResult parsed = parse_head(text, HeadLimits{}, scanned);
    const HttpHead& head = std::get<HttpHead>(parsed);
    ProxyTrust trust = trust_in(ForwardedHeader::x_forwarded_for);
    Origination peer;
    peer.unix_socket = true;
    CHECK(client_behind(peer, head, trust).ip.text() == "::");
    trust.unix_sockets = true;
    CHECK(client_behind(peer, head, trust).ip.text() == "203.0.113.7");
    CHECK_FALSE(client_behind(peer, head, trust).unix_socket);
    CHECK(client_behind({}, head, trust).ip.text() == "::");  // of whom a proxy did not know where he is
}

TEST_CASE("X-Forwarded-Proto counts where it is asked for, of trusted proxies, and once") {
    const auto tls = [](const std::string& fields, bool asked, const std::string& from, bool before = false) {
        const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
        size_t scanned = 0;
        const HeadResult parsed = parse_head(text, HeadLimits{}, scanned);
        ProxyTrust trust = trust_in(ForwardedHeader::x_forwarded_for);
        trust.proto = asked;
        return client_behind({*dsl::parse_address(from), before}, std::get<HttpHead>(parsed), trust).tls;
    };
    const std::string https = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    CHECK(tls(https, true, "10.0.0.1"));
    CHECK(tls("x-forwarded-proto: WSS\r\n", true, "10.0.0.1"));
    CHECK_FALSE(tls(https, false, "10.0.0.1"));
    CHECK_FALSE(tls(https, true, "192.0.2.9"));
    CHECK_FALSE(tls("X-Forwarded-Proto: http\r\n", true, "10.0.0.1", true));
    for (const char* nothing :
         {"", "X-Forwarded-Proto: https, http\r\n", "X-Forwarded-Proto: ftp\r\n", "X-Forwarded-Proto:\r\n",
          "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n"}) {
        INFO(nothing);
        CHECK_FALSE(tls(nothing, true, "10.0.0.1", false));
        CHECK(tls(nothing, true, "10.0.0.1", true));
    }
}

TEST_CASE("nobody else is believed") {
    for (const ForwardedHeader header : {ForwardedHeader::x_forwarded_for, ForwardedHeader::forwarded}) {
        const std::string both = "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=203.0.113.7;proto=https\r\n";
        CHECK(client(header, both, "192.0.2.9") == "192.0.2.9");
        CHECK(client(header, both, "2001:db8:fffe::1", true) == "2001:db8:fffe::1 tls");
    }
    CHECK(client(ForwardedHeader::none, "X-Forwarded-For: 203.0.113.7\r\n") == "10.0.0.1");
}
