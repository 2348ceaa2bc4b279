// `by NAME "path"`: what is compiled of it, where it stands among other rules, and mistakes.
#include <catch2/catch.hpp>

#include "dsl/lint/lint.h"
#include "dsl/syntax/load.h"
#include "tests/unit/dsl/compiled.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

std::string in_route(const std::string& members) {
    return "backend app { url = \"http://127.0.0.1:1\" }\nroute r /r {\nauth = none\norigins = any\n" +
           members + "\n}\n";
}

}  // namespace

TEST_CASE("a rule with `by` is asked last, and names its request", "[asked]") {
    Compiled compiled(
        in_route("allow subscribe on room/:room by app \"/rooms/{room}\"\n"
                 "allow subscribe on room/open"));
    INFO(compiled.summary());
    REQUIRE(compiled.policy);
    const Route& route = *compiled.policy->routes.front();
    const auto& clauses = route.clauses[route.subscribe];
    REQUIRE(clauses.size() == 2);
    const RuleInfo& last = route.rules[clauses[1].rule];
    REQUIRE(last.by);
    CHECK(last.by->name == "app");
    CHECK(last.by->to.pieces.size() == 1);
    CHECK_FALSE(route.rules[clauses[0].rule].by);
}

TEST_CASE("which backend is asked does not depend on the names of files", "[asked]") {
    const std::string defaults =
        "backend one { url = \"http://127.0.0.1:1\" }\nbackend two { url = \"http://127.0.0.1:2\" }\n"
        "defaults { allow subscribe on a by one \"/may\" }\n";
    const std::string route =
        "policy used { allow subscribe on a by two \"/may\" }\n"
        "route r /r { auth = none  origins = any  allow connect  use used }\n";
    for (const bool first : {true, false}) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("a.route", first ? defaults : route, sources, diagnostics);
        load_text("b.route", first ? route : defaults, sources, diagnostics);
        const auto policy = compile(
            sources, [](const std::string&) -> Result<std::string> { return failure("none"); }, diagnostics);
        REQUIRE(policy);
        const Route& made = *policy->routes.front();
        const auto& clauses = made.clauses[made.subscribe];
        REQUIRE(clauses.size() == 2);
        CHECK(made.rules[clauses[0].rule].by->name == "one");
        CHECK(made.rules[clauses[1].rule].by->name == "two");
    }
}

TEST_CASE("mistakes about `by` have a place", "[asked]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"allow subscribe on a by ap \"/x\"", "E012 5:25 there is no backend `ap`\n"},
        {"allow publish on a by app \"/x\"", "E004 5:20 `by` has no meaning for publish\n"},
        {"deny subscribe on a by app \"/x\"",
         "E004 5:21 `by` says whose yes is needed, and this rule denies\n"},
        {"message a { allow by app \"/x\" publish to b }", "E004 5:19 `by` has no meaning for a message\n"},
        {"allow subscribe on a/:x, :x/a by app \"/{x}\"",
         "E004 5:38 what is inserted here is not the same part of all channels of this rule\n"},
    };
    for (const auto& [members, expected] : cases) {
        INFO(members);
        CHECK_THAT(Compiled(in_route(members)).summary(), Catch::Matchers::EndsWith(expected));
    }
}

TEST_CASE("what a rule with `by` asks is part of what the policy means", "[asked]") {
    const Compiled one(in_route("allow subscribe on a/:x by app \"/{x}\""));
    const Compiled same(in_route("allow subscribe on a/:y by app \"/{y}\""));
    const Compiled other(in_route("allow subscribe on a/:x by app \"/y/{x}\""));
    const Compiled plain(in_route("allow subscribe on a/:x"));
    CHECK(one.policy->routes[0]->hash == same.policy->routes[0]->hash);
    CHECK(one.policy->routes[0]->hash != other.policy->routes[0]->hash);
    CHECK(one.policy->routes[0]->hash != plain.policy->routes[0]->hash);
}

TEST_CASE("what a backend may allow makes no plain allow superfluous", "[asked]") {
    const auto told = [](const std::string& members) {
        Sources sources;
        Diagnostics diagnostics;
        load_text("p.route", in_route(members), sources, diagnostics);
        const FileReader files = [](const std::string&) -> Result<std::string> { return failure("none"); };
        REQUIRE(compile_and_lint(sources, files, {std::nullopt, 20'000}, diagnostics).policy);
        size_t found = 0;
        for (const Diagnostic& one : diagnostics.all()) found += one.id == "W105" ? 1 : 0;
        return found;
    };
    CHECK(told("allow subscribe on room/open\nallow subscribe on room/:r by app \"/{r}\"") == 0);
    CHECK(told("allow subscribe on room/**\nallow subscribe on room/:r by app \"/{r}\"") == 1);
}
