#include "dsl/text/text.h"
#include "dsl/policy/pattern.h"

#include <catch2/catch.hpp>

using namespace wayleave::dsl;

namespace {
constexpr size_t npos = std::string_view::npos;
}

TEST_CASE("globs match the whole text") {
    struct Case {
        const char* pattern;
        const char* text;
        bool matches;
    };
    for (const auto& [pattern, text, matches] : {Case{"", "", true},
                                                 Case{"", "a", false},
                                                 Case{"*", "", true},
                                                 Case{"*", "anything", true},
                                                 Case{"**", "x", true},
                                                 Case{"a*", "abc", true},
                                                 Case{"a*", "ba", false},
                                                 Case{"*c", "abc", true},
                                                 Case{"a*c", "ac", true},
                                                 Case{"a*c", "a", false},
                                                 Case{"aa*a", "aa", false},
                                                 Case{"aa*a", "aaa", true},
                                                 Case{"*ab*ab*", "ab", false},
                                                 Case{"*ab*ab*", "xabyabz", true},
                                                 Case{"a*b*c", "a-c-b-c", true},
                                                 Case{"a*b*c", "a-c-c", false},
                                                 Case{"*.example.org", "x.example.org", true},
                                                 Case{"*.example.org", "example.org", false},
                                                 Case{"a?c", "abc", false},
                                                 Case{"é*", "été", true},
                                                 Case{"\xC3*", "x", false}}) {
        INFO(pattern << " on " << text);
        CHECK(glob_match(pattern, text) == matches);
    }
    // A matcher that backtracks would not come back from this one.
    std::string pattern;
    for (int i = 0; i < 100; ++i) pattern += "*a";
    CHECK_FALSE(glob_match(pattern + "*b", std::string(100'000, 'a')));
}

TEST_CASE("the first byte that is not UTF-8") {
    struct Case {
        std::string_view text;
        size_t at;
    };
    for (const auto& [text, at] :
         {Case{"", npos}, Case{"plain", npos}, Case{"é€😀", npos}, Case{"a\x80", 1}, Case{"ab\xC3", 2},
          Case{"\xC0\xAF", 0}, Case{"\xC1\xBF", 0}, Case{"\xE0\x80\xAF", 0},
          Case{"\xED\xA0\x80", 0},  // surrogate
          Case{"\xED\x9F\xBF", npos}, Case{"\xF0\x80\x80\x80", 0}, Case{"\xF4\x8F\xBF\xBF", npos},
          Case{"\xF4\x90\x80\x80", 0},  // beyond U+10FFFF
          Case{"\xF5\x80\x80\x80", 0}, Case{"é\xE2\x82", 2}, Case{"\xFF", 0}}) {
        INFO(text);
        CHECK(first_invalid_utf8(text) == at);
    }
}

TEST_CASE("code points become UTF-8") {
    std::string out;
    for (const uint32_t c : {0x41u, 0xE9u, 0x20ACu, 0x1F600u}) CHECK(append_utf8(out, c));
    CHECK(out == "Aé€😀");
    CHECK_FALSE(append_utf8(out, 0xD800));
    CHECK_FALSE(append_utf8(out, 0x110000));
    CHECK(out == "Aé€😀");
}

TEST_CASE("what is shown cannot steer a terminal") {
    CHECK(quoted("name") == "`name`");
    CHECK(quoted("a\x1b[31m\n\tb\x7f") == "`a.[31m. b.`");
    CHECK(printable("\xC2\x9B\x31mé") == ".1mé");
    CHECK(printable("a\u202Eb\u2066c\u200F\u20ACd") == "a.b.c.\u20ACd");
    CHECK(printable("a\xE9z\xE2\x82") == "a.z..");
    CHECK(quoted(std::string(500, 'x')).size() < 130);
    std::string accents;
    for (int i = 0; i < 200; ++i) accents += i == 0 ? "x" : "é";
    CHECK(first_invalid_utf8(quoted(accents)) == npos);
}

TEST_CASE("every value is one segment of a channel, and no two are the same") {
    struct Case {
        std::string value;
        const char* segment;
    };
    const std::vector<Case> cases = {
        {"ann", "ann"},
        {"a.b_c-d~e@f:g", "a.b_c-d~e@f:g"},
        {"auth0|5f7", "auth0=7C5f7"},
        {"a+b@x.test", "a=2Bb@x.test"},
        {"a=7C", "a=3D7C"},
        {":a", "=3Aa"},
        {".", "=2E"},
        {"..", "=2E=2E"},
        {"...", "..."},
        {"a/b", "a=2Fb"},
        {"*", "=2A"},
        {"\xc3\xa4", "=C3=A4"},
        {std::string("a\0b", 3), "a=00b"},
        {" ", "=20"},
        {"{x}", "=7Bx=7D"},
    };
    for (const Case& one : cases) {
        INFO(one.segment);
        std::string out;
        append_segment(out, one.value);
        CHECK(out == one.segment);
        CHECK(is_channel_segment(out));
        for (const Case& other : cases) CHECK(is_segment_of(out, other.value) == (&one == &other));
    }
    CHECK_FALSE(is_segment_of("", ""));
    CHECK_FALSE(is_segment_of("a", ""));
    CHECK_FALSE(is_segment_of("auth0=7c5f7", "auth0|5f7"));  // one spelling only
    CHECK_FALSE(is_segment_of("a=41", "aA"));
    CHECK_FALSE(is_segment_of("ab", "a"));
    CHECK_FALSE(is_segment_of("a", "ab"));
}
