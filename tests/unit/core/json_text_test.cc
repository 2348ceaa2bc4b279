#include "daemon/base/json_text.h"

#include <catch2/catch.hpp>

#include <random>

#include "tests/support/rfc8259.h"

using namespace wayleave;

namespace {

std::string seen(const std::string& text) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    return parse_json(parser, text, root) == simdjson::SUCCESS ? simdjson::minify(root) : "none";
}

bool takes(const std::string& text) {
    return seen(text) != "none";
}

}  // namespace

TEST_CASE("values that cannot be held are null, and only those") {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"[1e400,1]", "[null,1]"},
        {"[-1e400,-1.5]", "[null,-1.5]"},
        {"[18446744073709551615,18446744073709551616]", "[18446744073709551615,null]"},
        {"[-9223372036854775808,-9223372036854775809]", "[-9223372036854775808,null]"},
        {R"(["\ud83d","\ud83d\ude00"])", "[null,\"\xf0\x9f\x98\x80\"]"},
        {R"(["\ude00","\ude00\ud83d","\ud83d\ud83d","\uD83d\u0041","x\ud83dx","\\ud83d"])",
         R"([null,null,null,null,null,"\\ud83d"])"},
        {R"({"\ud83d":"1e400"})", R"({"\u0000d83d":"1e400"})"},
        {R"({"a\uD83D\u0041" : 1e400})", R"({"a\u0000d83dA":null})"},
        {R"({"a":{"b":[1e400]},"c":"}"})", R"({"a":{"b":[null]},"c":"}"})"},
        {"1e400", "null"},
        {" \"\\ud83d\" ", "null"},
    };
    for (const auto& [text, wanted] : cases) {
        INFO(text);
        CHECK(seen(text) == wanted);
    }
}

// One text after the other is broken at random. What is taken is JSON; what is JSON is taken.
TEST_CASE("what is taken is what RFC 8259 calls JSON") {
    std::mt19937 random(8259);
    const std::vector<std::string> pieces = {
        "{",          "}",    "[",           "]",           ",",
        ":",          "\"",   "\"a\"",       "\"\\ud83d\"", "\"\\ud83d\\ude00\"",
        "1",          "-",    "0",           "1e400",       "01e400",
        "1e",         "1.",   ".5",          "-1e400",      "123456789012345678901",
        "true",       "null", "nul",         " ",           "\n",
        "\\",         "\\u",  "\xff",        "\xc3\xa4",    "\"\\uDE00\\q\"",
        "x",          "\x01", "+1",          "1e+400",      "--1",
        "\"\\ud83\"", "e5",   "\xed\xa0\xbd"};
    const std::vector<std::string> seeds = {
        R"({"type":"a","n":1e400,"s":"\ud83d","o":{"x":[1,2,{"\ude00":-1E+999}]}})",
        R"([123456789012345678901,"\ud83d\ud83d\ude00",true,false,null,0.5e-3,""])", R"("\ud83dabc")",
        "-1e400"};
    size_t good = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = seeds[random() % seeds.size()];
        for (unsigned edits = random() % 4; edits > 0; --edits) {
            const size_t at = random() % (text.size() + 1);
            text.replace(at, random() % 3, pieces[random() % pieces.size()]);
        }
        const bool json = test::Rfc8259::holds(text);
        good += json ? 1 : 0;
        INFO(text);
        REQUIRE(takes(text) == json);
        if (json) REQUIRE(representable_json(text));
    }
    CHECK(good > 5000);
}
