#include "daemon/base/json_writer.h"

#include <simdjson.h>
#include <catch2/catch.hpp>
#include <string>

using namespace wayleave;

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

TEST_CASE("objects and arrays are written member by member", "[json]") {
    CHECK(JsonObject().text() == "{}");
    CHECK(JsonArray().text() == "[]");
    const std::vector<std::string> texts{"a\"", "b"};
    JsonObject object;
    object.add("text", "x\n").add("is", true).add("not", false).add("number", int64_t{-7});
    object.add("big", UINT64_MAX).add("texts", texts).add("none", JsonArray());
    object.add("inner", JsonObject().add("a", 1)).raw("null", "null");
    object.add_if_any("empty", "").add_if_any("\"", "y");
    CHECK(object.text() == R"({"text":"x\n","is":true,"not":false,"number":-7,"big":18446744073709551615,)"
                           R"("texts":["a\"","b"],"none":[],"inner":{"a":1},"null":null,"\"":"y"})");
}
