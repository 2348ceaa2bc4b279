// Policies that are large: what is refused, and what must not cost the square of its size.
#include <catch2/catch.hpp>

#include <string>

#include "dsl/compile/compile.h"
#include "dsl/lint/lint.h"
#include "dsl/syntax/load.h"
#include "tests/support/growth.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::string first_error(std::string text) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route", std::move(text), sources, diagnostics);
    (void)compile(
        sources, [](const std::string&) { return failure("no files"); }, diagnostics);
    return diagnostics.errors() == 0
               ? ""
               : std::string(diagnostics.all().front().id) + " " + diagnostics.all().front().message;
}

}  // namespace

TEST_CASE("a policy has a bounded number of routes") {
    std::string text;
    for (int i = 0; i <= 100'000; ++i)
        text += "route r" + std::to_string(i) + " /r" + std::to_string(i) + " { }\n";
    CHECK(first_error(std::move(text)) == "E026 a policy has at most 100,000 routes");
}

TEST_CASE("many messages of one route cost in proportion to their number") {
    const auto compile_messages = [](size_t count) {
        std::string text = "route r /r { auth = none origins = { none } deny message if message.size > 1kb\n";
        for (size_t i = 0; i < count; ++i) text += "message m" + std::to_string(i) + " { allow }\n";
        CHECK(first_error(text + "}").empty());
    };
    CHECK(growth(compile_messages, 2'000) < most_growth);
}

TEST_CASE("lint costs in proportion to the policy") {
    const auto lint_text = [](const std::string& text) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("p.route", text, sources, diagnostics);
        (void)compile_and_lint(
            sources, [](const std::string&) { return failure("no files"); }, {}, diagnostics);
    };
    const auto routes = [&](size_t count) {
        std::string text = "route all /** { auth = none allow connect }\n";
        for (size_t i = 0; i < count; ++i) {
            const std::string n = std::to_string(i);
            text += "route r" + n + " /r" + n + "/:x { auth = none allow connect deny connect if x == \"" +
                    n + "\" message m { allow publish to a } }\n";
        }
        lint_text(text);
    };
    CHECK(growth(routes, 300) < most_growth);
    const auto aliases = [&](size_t count) {
        std::string text = "route r /r { auth = none allow connect\n";
        for (size_t i = 0; i < count; ++i)
            text += "alias /a" + std::to_string(i) + "/* until 2030-01-01 alias /b" + std::to_string(i) +
                    " until 2030-01-01\n";
        lint_text(text + "}\n");
    };
    CHECK(growth(aliases, 500) < most_growth);
    const auto broken = [&](size_t count) {
        std::string text;
        for (size_t i = 0; i < count; ++i) {
            const std::string n = std::to_string(i);
            text += "route r" + n + " /r" + n + " { auth = none alow connect deny connect if x" + n + " }\n";
        }
        lint_text(text);
    };
    CHECK(growth(broken, 1'000) < most_growth);
}
