#include "dsl/lint/suppression.h"

#include <catch2/catch.hpp>

#include "dsl/lint/lint.h"
#include "dsl/syntax/load.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

// "N503 2:16", one a line; then what was put aside, with the reason.
std::string told(const std::string& text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", text, sources, diagnostics);
    const FileReader files = [](const std::string&) -> Result<std::string> { return failure("none"); };
    (void)compile_and_lint(sources, files, {}, diagnostics);
    diagnostics.sort();
    std::string out;
    const auto add = [&](const Diagnostic& d) {
        const Position at = sources.position(d.primary.span.file, d.primary.span.begin);
        out += std::string(d.id) + " " + std::to_string(at.line) + ":" + std::to_string(at.column);
    };
    for (const Diagnostic& d : diagnostics.all()) {
        add(d);
        out += "\n";
    }
    for (const Suppressed& s : diagnostics.suppressed()) {
        add(s.diagnostic);
        out += " because " + s.because + "\n";
    }
    return out;
}

// Line 2 begins in the route.
std::string in_route(const std::string& lines) {
    return "route r /r { auth = none allow connect limit connections to 1 per ip\n" + lines + "\n}\n";
}
const std::string is_public = "W403 1:7\n";

}  // namespace

TEST_CASE("a comment silences the next statement", "[suppression]") {
    CHECK(told(in_route("max_message = 8mb")) == is_public + "W205 2:1\n");
    CHECK(told(in_route("# lint: ignore W205 because \"why\"\nmax_message = 8mb")) ==
          is_public + "W205 3:1 because why\n");
    CHECK(told(in_route("#lint:ignore W205 because \"a \\\"b\\\" # c\"\n# other\n\nmax_message = 8mb")) ==
          is_public + "W205 5:1 because a \"b\" # c\n");
    CHECK(told(in_route(
              "# lint: ignore W206, W205 because \"why\"\nmax_message = 8mb # x\nidle_timeout = 0s")) ==
          is_public + "N503 2:16\nW206 4:1\nW205 3:1 because why\n");
}

TEST_CASE("before a block it is about all that is inside", "[suppression]") {
    CHECK(told("# lint: ignore W403, W205 because \"why\"\n" + in_route("max_message = 8mb")) ==
          "W403 2:7 because why\nW205 3:1 because why\n");
    CHECK(told(in_route(
              "# lint: ignore W115 because \"why\"\nmessage a { allow limit messages to 1/s per ip }")) ==
          is_public + "W115 3:9 because why\n");
    // And no further than its block.
    CHECK(told(in_route("# lint: ignore W403 because \"why\"") +
               "route s /s { auth = none allow connect limit connections to 1 per ip }") ==
          is_public + "N503 2:16\nW403 4:7\n");
}

TEST_CASE("in defaults it holds for every route", "[suppression]") {
    const std::string text = told(
        "defaults {\n# lint: ignore W205 because \"why\"\nmax_message = 8mb }\n"
        "route a /a { auth = none }\nroute b /b { auth = none }\n");
    CHECK(text == "W114 4:7\nW403 4:7\nW114 5:7\nW403 5:7\nW205 3:1 because why\n");
}

TEST_CASE("a comment that cannot be followed is a warning", "[suppression]") {
    for (const char* comment :
         {"# lint: ignore W205", "# lint: ignore W205 because", "# lint: ignore W205 because \"\"",
          "# lint: ignore", "# lint: ignore W205 because why", "# lint: ignore W205 because \"why\" and more",
          "# lint: ignore because \"x\"", "# lint: ignore W205 \"why\"", "# lint: disable W205 because \"x\"",
          "# lint: ignore W999 because \"x\"", "# lint: ignore w205 because \"x\"",
          "# lint: ignore E011 because \"x\"", "# lint: ignore huge-messages because \"x\""}) {
        INFO(comment);
        const std::string found = told(in_route(std::string(comment) + "\nmax_message = 8mb"));
        CHECK(found.find("W404 2:") != std::string::npos);
        CHECK(found.find("W205 3:1\n") != std::string::npos);
    }
}

TEST_CASE("behind something else a suppression silences nothing", "[suppression]") {
    CHECK(told(in_route("idle_timeout = 30s # lint: ignore W205 because \"why\"\nmax_message = 8mb")) ==
          is_public + "W404 2:20\nW205 3:1\n");
    CHECK(told("route r /r { # lint: ignore W205 because \"why\"\nauth = none allow connect limit "
               "connections to 1 "
               "per ip\nmax_message = 8mb }") == is_public + "W404 1:14\nW205 3:1\n");
}

TEST_CASE("only comments that speak to lint are read", "[suppression]") {
    for (const char* text : {"# lint is good", "# we lint: ignore W205 because \"x\"",
                             "deny connect if tls because \"# lint: ignore\"",
                             "deny connect if tls because \"\\\"# lint: ignore\""}) {
        INFO(text);
        CHECK(told(in_route(text)) == is_public);
    }
}

TEST_CASE("a misspelt id has its fix", "[suppression]") {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", "# lint: ignore W2O5 because \"x\"\n", sources, diagnostics);
    const Statements none{ast::File{}};
    const Suppressions suppressions(sources, none, diagnostics);
    REQUIRE(diagnostics.all().size() == 1);
    REQUIRE(diagnostics.all()[0].replacement);
    CHECK(sources.text(diagnostics.all()[0].replacement->span) == "W2O5");
}

TEST_CASE("errors are told whatever a comment says", "[suppression]") {
    CHECK(told("# lint: ignore W101 because \"x\"\nroute r /r { allow connect }") == "E011 2:7\n");
}
