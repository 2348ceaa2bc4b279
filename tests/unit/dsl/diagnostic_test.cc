#include "dsl/text/diagnostic.h"

#include <catch2/catch.hpp>

using namespace wayleave::dsl;

namespace {

const std::string policy =
    "route chat example.com/:tenant {\n"
    "    allow connect if user.tennant == tenant\n"
    "\tdeny  connect if \"é\" == x\n"
    "}\n";

Span find(const Sources& sources, std::string_view text) {
    const auto at = static_cast<uint32_t>(sources.file(0).text.find(text));
    return {0, at, at + static_cast<uint32_t>(text.size())};
}

}  // namespace

TEST_CASE("a diagnostic is laid out as rustc does") {
    Sources sources;
    sources.add("saas.route", policy);
    Diagnostics diagnostics;
    diagnostics.error("E002", find(sources, "user.tennant"), "there is no `user.tennant`",
                      "no token declares this claim", "did you mean `user.tenant`?");
    CHECK(render(diagnostics, sources, false) ==
          "error[E002]: there is no `user.tennant`\n"
          "  --> saas.route:2:22\n"
          "   |\n"
          " 2 |     allow connect if user.tennant == tenant\n"
          "   |                      ^^^^^^^^^^^^ no token declares this claim\n"
          "   |\n"
          "help: did you mean `user.tenant`?\n"
          "\n"
          "1 error, 0 warnings\n");
}

TEST_CASE("secondary places, tabs and wide characters line up") {
    Sources sources;
    sources.add("saas.route", policy);
    Diagnostics diagnostics;
    diagnostics.warning("W104", find(sources, "x\n"), "twice")
        .secondary.push_back({find(sources, "allow"), "here first"});
    CHECK(render(diagnostics.all()[0], sources, false) ==
          "warning[W104]: twice\n"
          "  --> saas.route:3:26\n"
          "   |\n"
          " 3 |  deny  connect if \"é\" == x\n"
          "   |                          ^\n"
          "  ::: saas.route:2:5\n"
          "   |\n"
          " 2 |     allow connect if user.tennant == tenant\n"
          "   |     ----- here first\n");
}

TEST_CASE("the end of a file and of a long line have a place") {
    Sources sources;
    sources.add("x", "ab");
    sources.add("long", std::string(1000, 'a').append("!").append(1000, 'b'));
    sources.add("empty", "");
    Diagnostics diagnostics;
    CHECK(render(diagnostics.error("E001", {0, 2, 2}, "end"), sources, false) ==
          "error[E001]: end\n  --> x:1:3\n   |\n 1 | ab\n   |   ^\n");
    CHECK(render(diagnostics.error("E013", {2, 0, 0}, "empty"), sources, false) ==
          "error[E013]: empty\n  --> empty:1:1\n   |\n 1 |\n   | ^\n");
    const std::string cut = render(diagnostics.error("E001", {1, 1000, 1001}, "far"), sources, false);
    CHECK(cut.find("long:1:1001") != std::string::npos);
    CHECK(cut.size() < 400);
    const size_t bang = cut.find('!'), caret = cut.find('^');
    CHECK(bang - cut.rfind('\n', bang) == caret - cut.rfind('\n', caret));
}

TEST_CASE("control characters do not reach the terminal") {
    Sources sources;
    sources.add("x", "a \x1b[2J b");
    Diagnostics diagnostics;
    CHECK(render(diagnostics.error("E001", {0, 0, 1}, "m"), sources, false).find('\x1b') ==
          std::string::npos);
    CHECK(render(diagnostics.error("E001", {0, 0, 1}, "m"), sources, true).find("\x1b[2J") ==
          std::string::npos);
    CHECK(render(diagnostics.error("E001", {0, 0, 1}, "m"), sources, true).find("\x1b[1;31m") == 0);
}

TEST_CASE("diagnostics are sorted by place, and bounded") {
    Sources sources;
    sources.add("x", "abcdefgh");
    Diagnostics diagnostics;
    CHECK(render(diagnostics, sources, false).empty());
    diagnostics.error("E001", {0, 5, 6}, "later");
    diagnostics.warning("W101", {0, 1, 2}, "sooner");
    diagnostics.sort();
    CHECK(diagnostics.all()[0].message == "sooner");
    for (size_t i = 0; i < 600; ++i) diagnostics.error("E001", {0, 0, 1}, std::to_string(i));
    CHECK(diagnostics.all().size() == Diagnostics::most);
    CHECK(diagnostics.errors() == 601);
    const std::string text = render(diagnostics, sources, false);
    CHECK(text.ends_with("102 more are not shown\n601 errors, 1 warning\n"));
}

TEST_CASE("what is told twice counts once") {
    Diagnostics diagnostics;
    for (int i = 0; i < 3; ++i) diagnostics.warning("W101", {0, 1, 2}, "m");
    diagnostics.warning("W101", {0, 1, 3}, "m");
    diagnostics.warning("W102", {0, 1, 2}, "m");
    diagnostics.warning("W101", {0, 1, 2}, "n");
    diagnostics.warning("W101", {1, 1, 2}, "m");
    CHECK(diagnostics.warnings() == 5);
    CHECK(diagnostics.all().size() == 5);
}

TEST_CASE("notes are neither errors nor warnings") {
    Diagnostics diagnostics;
    diagnostics.note("N502", {0, 0, 1}, "by the way");
    CHECK(diagnostics.errors() + diagnostics.warnings() == 0);
    CHECK(diagnostics.notes() == 1);
    CHECK(render(diagnostics.all()[0], Sources(), false) == "note[N502]: by the way\n");
}

TEST_CASE("a near name is a help and an edit") {
    Diagnostics diagnostics;
    const Diagnostic& near = diagnostics.misspelt("E002", {0, 0, 4}, "no", "sub", "label");
    CHECK(near.help == "did you mean `sub`?");
    CHECK(near.primary.text == "label");
    REQUIRE(near.replacement);
    CHECK(near.replacement->text == "sub");
    CHECK(near.replacement->span == Span{0, 0, 4});
    const Diagnostic& far = diagnostics.misspelt("E002", {0, 5, 6}, "no", "");
    CHECK(far.help.empty());
    CHECK_FALSE(far.replacement);
}

TEST_CASE("warnings and notes are put aside, errors never") {
    Diagnostics diagnostics;
    diagnostics.warning("W101", {0, 0, 1}, "before");
    diagnostics.suppress_by([](std::string_view, Span span) {
        return span.begin < 5 ? std::optional<std::string>("why") : std::nullopt;
    });
    for (int i = 0; i < 2; ++i) diagnostics.warning("W101", {0, 1, 2}, "m");
    diagnostics.note("N502", {0, 1, 2}, "m");
    diagnostics.error("E002", {0, 1, 2}, "m");
    diagnostics.warning("W101", {0, 7, 8}, "m");
    CHECK(diagnostics.all().size() == 3);
    REQUIRE(diagnostics.suppressed().size() == 2);
    CHECK(diagnostics.suppressed()[0].because == "why");
    CHECK(diagnostics.warnings() == 2);
    CHECK(diagnostics.hidden() == 0);
    for (uint32_t i = 0; i < 1000; ++i) diagnostics.warning("W101", {1 + i, 0, 1}, "m");
    CHECK(diagnostics.suppressed().size() == Diagnostics::most);
    CHECK(diagnostics.hidden() == 0);
    diagnostics.suppress_by(nullptr);
    diagnostics.warning("W101", {0, 2, 3}, "m");
    CHECK(diagnostics.all().size() == 4);
}
