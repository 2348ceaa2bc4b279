#include "daemon/base/utf8.h"

#include <catch2/catch.hpp>

#include <string>

using namespace wayleave;

namespace {

// How many bytes are taken, one at a time, before it is known to be wrong; all: it is not.
size_t taken(const std::string& text) {
    Utf8Reader reader;
    for (size_t i = 0; i < text.size(); ++i) {
        if (!reader.take({&text[i], 1})) return i;
    }
    return text.size();
}

std::string encoded(uint32_t point) {
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
    if (point < 0x80) return {static_cast<char>(point)};
    if (point < 0x800) return {static_cast<char>(0xc0 | (point >> 6)), tail(0)};
    if (point < 0x10000) return {static_cast<char>(0xe0 | (point >> 12)), tail(6), tail(0)};
    return {static_cast<char>(0xf0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

}  // namespace

TEST_CASE("every character is taken, and no surrogate", "[utf8]") {
    for (uint32_t point = 0; point < 0x110000; ++point) {
        const std::string text = encoded(point);
        const bool good = point < 0xd800 || point > 0xdfff;
        if ((taken(text) == text.size()) != good) FAIL("U+" << std::hex << point);
    }
}

TEST_CASE("what is wrong is known at its first byte that no character has", "[utf8]") {
    CHECK(taken("\x80") == 0);
    CHECK(taken("\xc0\xaf") == 0);  // long forms
    CHECK(taken("\xc1\xbf") == 0);
    CHECK(taken("\xe0\x9f\xbf") == 1);
    CHECK(taken("\xf0\x8f\xbf\xbf") == 1);
    CHECK(taken("\xed\xa0\x80") == 1);      // a surrogate
    CHECK(taken("\xf4\x90\x80\x80") == 1);  // beyond U+10FFFF
    CHECK(taken("\xf5") == 0);
    CHECK(taken("\xff") == 0);
    CHECK(taken("a\xc3(") == 2);
    CHECK(taken("\xe2\x82(") == 2);
}

TEST_CASE("in pieces of every size it is judged as in one", "[utf8]") {
    const std::string good = "k\xce\xba a\xe1\xbd\xb9 \xf0\x9f\x98\x80\xf0\x9f\x98\x80 \xc3\xa4\xe2\x82\xac!";
    for (size_t at = 0; at <= good.size(); ++at) {
        for (const char byte : {'\0', 'a', '\x80', '\xbf', '\xc3', '\xe2', '\xf0', '\xff'}) {
            std::string text = good;
            if (at < text.size()) text[at] = byte;
            const bool expected = is_utf8(text);
            for (size_t first = 0; first <= text.size(); ++first) {
                for (size_t second = first; second <= text.size(); ++second) {
                    const std::string_view view = text;
                    Utf8Reader reader;
                    const bool whole = reader.take(view.substr(0, first)) &&
                                       reader.take(view.substr(first, second - first)) &&
                                       reader.take(view.substr(second)) && reader.complete();
                    if (whole != expected) FAIL("cut at " << first << " and " << second);
                }
            }
        }
    }
}
