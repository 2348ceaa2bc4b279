#include "daemon/base/json.h"

#include <simdjson.h>
#include <catch2/catch.hpp>
#include <string>

using wayleave::json_string;

TEST_CASE("strings are written as JSON", "[json]") {
    CHECK(json_string("") == R"("")");
    CHECK(json_string("a \"b\" \\ c") == R"("a \"b\" \\ c")");
    CHECK(json_string("a\nb\tc\x01\x7f") == R"("a\nb\u0009c\u0001\u007f")");
    CHECK(json_string("Grüße €") == "\"Grüße €\"");
}

TEST_CASE("what is not UTF-8 is replaced", "[json]") {
    CHECK(json_string("\xff") == "\"\xEF\xBF\xBD\"");
    CHECK(json_string("a\xc3") == "\"a\xEF\xBF\xBD\"");
    CHECK(json_string("\x80x\xfe") == "\"\xEF\xBF\xBDx\xEF\xBF\xBD\"");
}

TEST_CASE("a parser reads all bytes back", "[json]") {
    std::string text;
    for (int byte = 1; byte < 0x80; ++byte) text += static_cast<char>(byte);
    simdjson::dom::parser parser;
    const std::string json = json_string(text);
    std::string_view read;
    REQUIRE(parser.parse(json).get(read) == simdjson::SUCCESS);
    CHECK(read == text);
}
