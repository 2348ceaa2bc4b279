// The PROXY protocol's header: complete, split anywhere, and forged.
#include "daemon/edge/proxy_header.h"

#include <catch2/catch.hpp>
#include <string>

using namespace wayleave;

namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string shown(std::string_view bytes) {
    const auto result = parse_proxy_header(bytes);
    if (std::holds_alternative<ProxyNeedMore>(result)) return "more";
    if (std::holds_alternative<ProxyRefusal>(result)) return "refused";
    const auto& header = std::get<ProxyHeader>(result);
    return (header.source ? header.source->text() : "none") + (header.tls ? " tls" : "") + " " +
           std::to_string(header.size);
}

// Version 2: what stands behind the signature.
std::string second(unsigned char kind, unsigned char family, std::string block) {
    std::string out = signature;
    out += static_cast<char>(kind);
    out += static_cast<char>(family);
    out += static_cast<char>(block.size() >> 8);
    out += static_cast<char>(block.size() & 0xff);
    return out + block;
}

const std::string v4("\xcb\x00\x71\x07\x0a\x00\x00\x01\x12\x34\x01\xbb", 12);
const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07" +
                       std::string(16, '\0') + std::string("\x12\x34\x01\xbb", 4);

}  // namespace

TEST_CASE("version 1") {
    CHECK(shown("PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\nGET") == "203.0.113.7 42");
    CHECK(shown("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n") == "2001:db8::7 45");
    CHECK(shown("PROXY UNKNOWN\r\n") == ":: 15");
    CHECK(shown("PROXY UNKNOWN ffff:f::1 ffff::2 65535 65535\r\n") == ":: 45");
    for (const char* bad :
         {"GET / HTTP/1.1\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
          "PROXY TCP4 2001:db8::7 1.2.3.4 1 1\r\n", "PROXY TCP6 10.0.0.1 1.1.1.1 1 2\r\n",
          "PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", "PROXY\tTCP4", "proxy TCP4",
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n", "\x16\x03\x01",
          "PROXY TCP4 256.2.3.4 1.2.3.4 1 1\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n"}) {
        INFO(bad);
        CHECK(shown(bad) == "refused");
    }
    CHECK(shown("PROXY " + std::string(200, 'x')) == "refused");
}

TEST_CASE("version 2") {
    CHECK(shown(second(0x21, 0x11, v4) + "GET") == "203.0.113.7 28");
    CHECK(shown(second(0x21, 0x21, v6)) == "2001:db8::7 52");
    CHECK(shown(second(0x20, 0x00, "")) == "none 16");
    CHECK(shown(second(0x20, 0x11, v4)) == "none 28");
    const std::string ssl("\x20\x00\x05\x01\x00\x00\x00\x00", 8);
    CHECK(shown(second(0x21, 0x11, v4 + ssl)) == "203.0.113.7 tls 36");
    const std::string noop("\x04\x00\x02xx", 5);
    CHECK(shown(second(0x21, 0x11, v4 + noop + ssl)) == "203.0.113.7 tls 41");
    for (const std::string& bad :
         {second(0x11, 0x11, v4), second(0x22, 0x11, v4), second(0x21, 0x12, v4),
          second(0x21, 0x31, std::string(216, 'x')), second(0x21, 0x00, ""), second(0x21, 0x41, v4),
          second(0x21, 0x11, v4.substr(1)), second(0x21, 0x21, v6.substr(1)), second(0x21, 0x11, v4 + "\x20"),
          second(0x21, 0x11, v4 + std::string("\x20\x00\x09\x01", 4)),
          second(0x21, 0x11, v4 + std::string("\x20\x00\x00", 3)),
          second(0x21, 0x11, v4 + std::string(2000, 'x'))}) {
        CHECK(shown(bad) == "refused");
    }
}

TEST_CASE("however it is split, it means the same") {
    for (const std::string& whole :
         {std::string("PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n"), std::string("PROXY UNKNOWN\r\n"),
          second(0x21, 0x11, v4), second(0x21, 0x21, v6)}) {
        for (size_t size = 0; size < whole.size(); ++size)
            CHECK(shown(std::string_view(whole).substr(0, size)) == "more");
    }
}
