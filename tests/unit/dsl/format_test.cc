#include "dsl/format/format.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::string formatted(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", text, sources, diagnostics);
    const auto made = format(sources, 0, diagnostics);
    INFO(text);
    INFO(render(diagnostics, sources, false));
    REQUIRE(made);
    return *made;
}

// What the text becomes; once more, and nothing changes.
void becomes(const std::string& text, const std::string& expected) {
    CHECK(formatted(text) == expected);
    CHECK(formatted(expected) == expected);
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The condition or set of a statement that is too long for one line.
const std::string long_text = "\"a text that is so long that the line which holds it has to be broken\"";

}  // namespace

TEST_CASE("one statement a line, blocks indented") {
    becomes("route r /a{auth=none allow connect message a{allow publish to b}}",
            "route r /a {\n    auth = none\n    allow connect\n    message a {\n        allow\n"
            "        publish to b\n    }\n}\n");
    becomes("defaults {\n}\nroute r /a { message a,\nb.* { } }",
            "defaults {}\nroute r /a {\n    message a, b.* {}\n}\n");
    becomes(
        "route r /a{message \"x  y\",b{subscribe to c,d if tls unsubscribe from e publish to f except self "
        "as \"g h\" priority low reply reply \"i j\" if tls}}",
        "route r /a {\n    message \"x  y\", b {\n        subscribe to c, d if tls\n        unsubscribe "
        "from e\n        publish to f except self as \"g h\" priority low\n        reply\n"
        "        reply \"i j\" if tls\n    }\n}\n");
    becomes("", "");
    becomes(" \n\t\n", "");
    becomes("let a = 1\r\nlet b = 2\r\n", "let a = 1\nlet b = 2\n");
    becomes("let a = 1 \t", "let a = 1\n");
}

TEST_CASE("one empty line is kept between statements, none at the ends of a block") {
    becomes("\n\nlet a = 1\n\n\n\nroute r /a {\n\n\n    auth = none\n\n\n    allow connect\n\n}\n\n\n",
            "let a = 1\n\nroute r /a {\n    auth = none\n\n    allow connect\n}\n");
    becomes("route r /a {\n    auth = none  # a\n\n    # b\n\n    allow connect\n\n    # c\n\n}\n",
            "route r /a {\n    auth = none  # a\n\n    # b\n\n    allow connect\n\n    # c\n}\n");
}

TEST_CASE("signs of adjacent statements stand below each other") {
    becomes("let a = 1 let long = 2\n\nlet longer = 3\n", "let a    = 1\nlet long = 2\n\nlet longer = 3\n");
    becomes(
        "token t { keys = file \"k\" issuer = \"i\" from header \"a\" user = \"u\"\nclaim a:int required "
        "claim bcd : set of string split   \" \"\n else {} }",
        "token t {\n    keys   = file \"k\"\n    issuer = \"i\"\n    from header \"a\"\n    user = \"u\"\n"
        "    claim a   : int required\n    claim bcd : set of string split \" \" else {}\n}\n");
    // Not over a remark, and not with a statement of several lines.
    becomes("let a = 1\n# remark\nlet bcd = 2\n", "let a = 1\n# remark\nlet bcd = 2\n");
    becomes("let a = 1\nlet bcd = { # x\n1 }\nlet ef = 2\n",
            "let a = 1\nlet bcd = {  # x\n    1\n}\nlet ef = 2\n");
    // Where it would make a line too long, it is left alone.
    becomes("let b = \"" + std::string(96, 'x') + "\"\nlet long_name = 1\n",
            "let b = \"" + std::string(96, 'x') + "\"\nlet long_name = 1\n");
}

TEST_CASE("comments stay where they are") {
    becomes(
        "#a\nroute r # b\n /a # c\n { # d\n auth # e\n = # f\n none # g\n # h\n }# i\n#j",
        "#a\nroute r  # b\n    /a  # c\n{  # d\n    auth  # e\n        =     # f\n        none  # g\n    # "
        "h\n}  # i\n#j\n");
    becomes("let nets = { 10.0.0.0/8, # office\n # home\n 192.168.0.0/16, 10.1.1.1 }",
            "let nets = {\n    10.0.0.0/8,  # office\n    # home\n    192.168.0.0/16,\n    10.1.1.1\n}\n");
    becomes("let a = \"# no comment\" # one\nlet bc = 1 # another\n",
            "let a  = \"# no comment\"  # one\nlet bc = 1               # another\n");
    becomes("defaults { # a\n\n # b\n }", "defaults {  # a\n    # b\n}\n");
    becomes("route r /a { auth = none allow connect if tls # a\n and # b\n tls }",
            "route r /a {\n    auth = none\n    allow connect\n        if tls  # a\n            and  # b\n"
            "            tls\n}\n");
    becomes("let a = 1\n\n\n# the end   \n\n", "let a = 1\n\n# the end\n");
}

TEST_CASE("a remark for lint stays directly before its statement") {
    becomes(
        "route r /a {\n  auth = none\n\n  # lint: ignore W101 because \"x\"\n\n  allow connect deny connect "
        "if tls\n}",
        "route r /a {\n    auth = none\n\n    # lint: ignore W101 because \"x\"\n    allow connect\n"
        "    deny connect if tls\n}\n");
}

TEST_CASE("short blocks stay on the line they were written on") {
    becomes("defaults { errors { forbidden = drop limited=close 4429 } }",
            "defaults {\n    errors { forbidden = drop  limited = close 4429 }\n}\n");
    becomes("defaults {\n errors { forbidden = drop\n limited=close 4429 } }",
            "defaults {\n    errors {\n        forbidden = drop\n        limited   = close 4429\n    }\n}\n");
    becomes("route r /a {\n message a { allow }\n message b { allow deny if tls }\n}",
            "route r /a {\n    message a { allow }\n    message b {\n        allow\n        deny if tls\n    "
            "}\n}\n");
    becomes(
        "test \"t\" {\n as s { a = 1 b = 2 }\n expect deny message \"m\" { a=1 b={c=2 d=3} } because \"x\"\n"
        "expect allow message \"m\" { a = 1\n b = { c = 2 } }\n}",
        "test \"t\" {\n    as s { a = 1  b = 2 }\n    expect deny message \"m\" { a = 1  b = { c = 2  d = 3 "
        "} } "
        "because \"x\"\n    expect allow message \"m\" {\n        a = 1\n        b = { c = 2 }\n    }\n}\n");
    becomes("backend b { url = " + long_text + " sign = " + long_text + " }",
            "backend b {\n    url  = " + long_text + "\n    sign = " + long_text + "\n}\n");
}

TEST_CASE("what is too long is broken") {
    const std::string x30(30, 'x');
    const std::string texts = "\"" + x30 + "\", \"" + x30 + "\", \"" + x30 + "\"";
    becomes("let s = { " + texts + ", \"" + x30 + "\" }",
            "let s = {\n    " + texts + ",\n    \"" + x30 + "\"\n}\n");
    becomes("let s = { \"" + x30 + "\": 1/s, \"y" + x30 + "\": 2/s, \"z" + x30 + "\": 3/s, \"\": 4/s }",
            "let s = {\n    \"" + x30 + "\": 1/s,\n    \"y" + x30 + "\": 2/s,\n    \"z" + x30 +
                "\": 3/s,\n    \"\": 4/s\n}\n");
    becomes("defaults { deny connect if tls because " + long_text + " deny subscribe on " + x30 + ", " + x30 +
                ", " + x30 + "/a, " + x30 + "/b if channel == \"x\" because \"y\" }",
            "defaults {\n    deny connect if tls because " + long_text + "\n    deny subscribe\n        on " +
                x30 + ", " + x30 + ", " + x30 + "/a,\n            " + x30 +
                "/b\n        if channel == \"x\"\n        because \"y\"\n}\n");
    becomes("let c = a == " + long_text + " or (b == " + long_text + " and not (ip in { 10.0.0.1 })) or d",
            "let c = a == " + long_text + "\n    or (b == " + long_text +
                "\n        and not (ip in { 10.0.0.1 }))\n    or d\n");
}

TEST_CASE("strings and literals are kept as they were written") {
    const std::string text =
        "let a = \"\\u{e9} é \\\"\\\\ \\n\"\nlet b = { 007, 1.50, 2001:DB8::/32, 20/s, -3 }\n";
    becomes(text, text);
}

TEST_CASE("what is no policy is not formatted") {
    for (const std::string text : {"route r {", "let a = \"", "let a = 10.0.0.1/8", "\xEF\xBB\xBFlet a = 1",
                                   "\xFF", "let a = 1 \r let b = 2"}) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("p.route", text, sources, diagnostics);
        const auto made = format(sources, 0, diagnostics);
        INFO(text);
        REQUIRE_FALSE(made);
        CHECK(made.error() == FormatFault::mistakes);
        CHECK(diagnostics.errors() > 0);
    }
}

TEST_CASE("the comparison of texts sees more than white space") {
    CHECK(same_but_for_space("let a = 1 # x  \nlet b = 2", "let a=1\n# x\nlet b = 2\n"));
    for (const std::string other : {"let a = 2", "let a = \"1\"", "let a = { 1 }", "let b = 1",
                                    "let a = 1 # x", "let a = 1 let b = 1", "let a =", ""}) {
        INFO(other);
        CHECK_FALSE(same_but_for_space("let a = 1", other));
    }
}

TEST_CASE("the examples are formatted") {
    size_t files = 0;
    const auto check = [&](const std::filesystem::path& path) {
        INFO(path << ": run `wayleave fmt` on it");
        const std::string text = read(path);
        CHECK(formatted(text) == text);
        ++files;
    };
    for (const auto& entry : std::filesystem::recursive_directory_iterator(PROJECT_DIR "/examples")) {
        if (entry.path().extension() == ".route") check(entry.path());
    }
    check(std::string(TEST_SOURCE_DIR) + "/complete.route");
    CHECK(files > 1);
}
