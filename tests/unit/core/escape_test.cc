#include "daemon/base/escape.h"

#include <catch2/catch.hpp>

#include <string>

using namespace wayleave;

TEST_CASE("what a peer writes stays on one line and in its order") {
    struct Case {
        std::string given, expected;
    };
    const Case cases[] = {
        {"", ""},
        {"plain text, Grüße, 日本, 😀", "plain text, Grüße, 日本, 😀"},
        {"a\nb\r\tc", "a\\x0Ab\\x0D\\x09c"},
        {std::string("\0x", 2), "\\x00x"},
        {"\x1b[31mred", "\\x1B[31mred"},
        {"\x7f", "\\x7F"},
        {"\xc2\x9b"
         "31m",
         "\\u{009B}31m"},
        {"\xe2\x80\xae"
         "exe.txt",
         "\\u{202E}exe.txt"},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\u{2066}\\u{2069}"},
        {"\xe2\x80\xa8", "\\u{2028}"},
        {"\\x0A", "\\\\x0A"},
        {"\xff\xc3", "\\xFF\\xC3"},
        {"\xc0\xaf", "\\xC0\\xAF"},
        {"\xed\xa0\x80", "\\xED\\xA0\\x80"},
        {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},
        {"\xe2\x82", "\\xE2\\x82"},
    };
    for (const auto& [given, expected] : cases) CHECK(escape_peer_text(given) == expected);
}

TEST_CASE("a peer's word is no field of a log line, and JSON steers no terminal") {
    CHECK(escape_peer_word("http://x event=fake") == "http://x\\x20event=fake");
    CHECK(escape_peer_word("a\\x20b c") == "a\\\\x20b\\x20c");
    CHECK(escape_json("{\"a\":\"Gr\u00fc\u00dfe \xc2\x9b\xe2\x80\xae\"}") ==
          "{\"a\":\"Gr\u00fc\u00dfe \\u009b\\u202e\"}");
}

TEST_CASE("long text is cut between characters and escapes") {
    CHECK(escape_peer_text(std::string(256, 'a')) == std::string(256, 'a'));
    CHECK(escape_peer_text(std::string(257, 'a')) == std::string(256, 'a') + "…");
    CHECK(escape_peer_text("aaé", 3) == "aa…");
    CHECK(escape_peer_text("aa\n", 5) == "aa…");
    CHECK(escape_peer_text("a", 0) == "…");
}
