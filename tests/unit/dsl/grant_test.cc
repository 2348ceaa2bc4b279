// Rules that say `with`: what they read, how they decide, how they are told.
#include <catch2/catch.hpp>

#include "dsl/compile/compile.h"
#include "dsl/format/format.h"
#include "dsl/lint/lint.h"
#include "dsl/policy/canonical.h"
#include "dsl/policy/describe.h"
#include "dsl/policy/evaluate.h"
#include "dsl/syntax/load.h"
#include "tests/unit/dsl/compiled.h"

using namespace wayleave;
using namespace wayleave::dsl;

namespace {

const std::string tokens = R"(token session { keys = file "k" from header "T" claim sub : string required }
token grant { keys = file "g" claim sub : string else "" claim room : string required claim level : int else 0 }
)";

std::string in_route(const std::string& members) {
    return tokens + "route r /r {\nauth = session origins = { none }\n" + members + "\n}\n";
}

struct Asked {
    explicit Asked(const std::string& members) : compiled(in_route(members)) {
        INFO(compiled.summary());
        REQUIRE(compiled.policy);
        facts.shape = route().shape;
        facts.values = {Value(std::string("ann"))};
    }
    const Route& route() const { return *compiled.policy->routes.front(); }
    // Where it holds, the number of the rule; else none.
    bool allows(const std::string& channel, const std::vector<Value>& grant) const {
        const auto name = split_channel(channel);
        Request request;
        request.facts = &facts;
        request.channel = &*name;
        request.grant = grant;
        const Program& program = route().program;
        const Residual residual = fold(program, early_answers(program, request));
        const NodeId verdict = decide(program, residual.nodes, residual.roots[route().subscribe], request);
        CHECK(verdict == decide(program, program.nodes, program.roots[route().subscribe], request));
        return verdict > never && route().rules[(verdict & ~verdict_bit) - 2].allow;
    }

    Compiled compiled;
    Facts facts;
};

std::vector<Value> brought(const std::string& sub, const std::string& room, int64_t level) {
    return {Value(true), Value(sub), Value(room), Value(level)};
}

}  // namespace

TEST_CASE("a rule with a grant reads what the grant says", "[grant]") {
    const Asked asked(
        "allow subscribe on room/:room with grant if grant.room == room and grant.sub == user.sub");
    CHECK(asked.allows("room/a", brought("ann", "a", 0)));
    CHECK_FALSE(asked.allows("room/b", brought("ann", "a", 0)));
    CHECK_FALSE(asked.allows("room/a", brought("bob", "a", 0)));
    CHECK_FALSE(asked.allows("room/a", {}));
    REQUIRE(asked.route().grants.size() == 1);
    CHECK(asked.compiled.policy->tokens[asked.route().grants[0].token].name == "grant");
    CHECK(asked.route().rules.front().grant == 0U);
}

// Nothing that a condition compares with is what an absent claim would be.
TEST_CASE("without a grant no rule that names one holds", "[grant]") {
    const Asked asked(R"(allow subscribe on a/:x with grant if grant.room == ""
        allow subscribe on b/:x with grant if grant.level == 0
        allow subscribe on c/:x with grant if grant.room in { "", "x" } or grant.level < 5
        allow subscribe on d/:x with grant if not grant.room == "x"
        allow subscribe on e/{grant.room} with grant
        allow subscribe on f/* with grant)");
    for (const char* channel : {"a/x", "b/x", "c/x", "d/x", "e/x", "f/x"}) {
        CHECK_FALSE(asked.allows(channel, {}));
        CHECK(asked.allows(channel, brought("", std::string(channel).substr(2) == "x" ? "x" : "", 0)) ==
              (channel[0] == 'b' || channel[0] == 'c' || channel[0] == 'e' || channel[0] == 'f'));
    }
    CHECK(asked.allows("e/y=20z", brought("", "y z", 0)));
    CHECK_FALSE(asked.allows("e/y", brought("", "x", 0)));
}

TEST_CASE("grants of several tokens do not pass for each other", "[grant]") {
    const std::string other = "token pass { keys = file \"p\" claim room : string required }\n";
    Compiled compiled(other + in_route("allow subscribe on a/{grant.room} with grant\n"
                                       "allow subscribe on a/{pass.room} with pass"));
    INFO(compiled.summary());
    REQUIRE(compiled.policy);
    const Route& route = *compiled.policy->routes.front();
    REQUIRE(route.grants.size() == 2);
    CHECK(route.grants[1].first == 4);
    CHECK(route.grant_shape->facts.size() == 6);
    CHECK(route.grant_shape->facts[5].name == "pass.room");
    CHECK(route.program.ungranted.size() == 6);
}

TEST_CASE("mistakes about grants have a place", "[grant]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"allow subscribe on a with grnt", "E002 5:27 there is no token `grnt`\n"},
        {"allow subscribe on a/:room if grant.room == room", "E004 5:31 `grant.room` is not known here\n"},
        {"allow subscribe on a/:room with grant if grant.rom == room", "E002 5:42 there is no `grant.rom`\n"},
        {"allow subscribe on a with session if grant.room == \"x\"",
         "E004 5:38 `grant.room` is not known here\n"},
        {"allow publish on a with grant", "E004 5:25 `with` has no meaning for publish\n"},
        {"allow subscribe, history on a with grant", "E004 5:36 `with` has no meaning for history\n"},
        {"message a { allow with grant publish to b }", "E004 5:24 `with` has no meaning for a message\n"},
        {"allow subscribe on a/:x with grant if grant.level == x",
         "E003 5:51 `==` cannot compare these two\n"},
    };
    for (const auto& [members, expected] : cases) {
        INFO(members);
        const std::string got = Compiled(in_route(members + "\nallow subscribe on z with grant")).summary();
        CHECK(got == expected);
    }
    CHECK(Compiled(tokens + "api a /a { auth = session allow publish on ** with grant }")
              .summary()
              .find("`with` has no meaning in an `api`") != std::string::npos);
    CHECK(Compiled(in_route("limit messages to 1/s per ip with grant")).summary().find("E001") !=
          std::string::npos);
}

TEST_CASE("a token without a place is a grant, and no identity", "[grant]") {
    CHECK(Compiled(in_route("allow subscribe on a with grant")).summary().empty());
    CHECK(Compiled(in_route("allow subscribe on a with session if session.sub == user.sub\n"
                            "allow subscribe on b with grant"))
              .summary()
              .empty());
    CHECK(Compiled(in_route("")).summary() ==
          "E022 2:7 the token `grant` says not where it is looked for\nW101 2:7 no route uses the token "
          "`grant`\n");
    CHECK(Compiled(tokens + "route r /r { auth = grant origins = { none } allow subscribe on a with grant }")
              .summary() ==
          "W101 1:7 no route uses the token `session`\n"
          "E022 3:21 the token `grant` says not where a handshake brings it\n");
    CHECK(Compiled("token user { keys = file \"k\" claim room : string required }\n" +
                   in_route("allow subscribe on a with user allow subscribe on b with grant"))
              .summary() == "E005 6:27 `user` means something else already\n");
    CHECK(Compiled("token tls { from certificate claim sub : string as \"cn\" required }\n" +
                   in_route("allow subscribe on a with tls allow subscribe on b with grant"))
              .summary() == "E022 6:27 nobody brings a certificate with `$subscribe`\n");
}

TEST_CASE("a rule with a grant is told as it is written", "[grant]") {
    const std::string rule = "allow subscribe on room/:room with grant if grant.room == room";
    const Asked asked(rule +
                      "\nallow subscribe on b with grant\nallow subscribe with grant if grant.level > 3");
    const Route& route = asked.route();
    const auto told = [&](size_t number) {
        const Clause& clause = route.clauses[route.subscribe][number];
        Words words{route};
        words.segments = &clause.segments;
        return words.rule("subscribe", clause);
    };
    CHECK(told(0) == "allow subscribe on room/:room with grant if room == grant.room");
    CHECK(told(1) == "allow subscribe on b with grant");
    CHECK(told(2) == "allow subscribe with grant if grant.level > 3");
}

// What the grant's token means is part of what the route means.
TEST_CASE("a route with grants changes with their tokens", "[grant]") {
    const std::string rule = "allow subscribe on a with grant";
    const Compiled one(in_route(rule));
    std::string other = in_route(rule);
    other.insert(other.find("claim room"), "audience = \"rooms\" ");
    const Compiled two(other);
    REQUIRE(one.policy);
    REQUIRE(two.policy);
    CHECK(one.policy->routes[0]->hash != two.policy->routes[0]->hash);
    CHECK(one.policy->routes[0]->hash == Compiled(in_route(rule)).policy->routes[0]->hash);
    CHECK(one.policy->routes[0]->hash !=
          Compiled(in_route("allow subscribe on a allow subscribe on b with grant")).policy->routes[0]->hash);
}

TEST_CASE("lint: whom a grant is for, and for which channel", "[grant][lint]") {
    const auto looked = [](const std::string& members, const std::string& more = "") {
        const std::string text =
            tokens + "route r /r {\nauth = session origins = { none } allow connect\n" +
            "limit connections to 5 per user.sub limit messages to 5/s per user.sub join user/{user.sub}\n" +
            members + "\n}\n" + more;
        return Compiled(text, true).summary();
    };
    const std::string anybody = "W315 6:1 this grant is good for whoever shows it\n";
    const std::string anything = "W316 6:1 this grant says nothing about the channel\n";
    CHECK(looked("allow subscribe on a/:room with grant if grant.room == room and grant.sub == user.sub")
              .empty());
    CHECK(looked("allow subscribe on a/{grant.room} with grant if grant.sub == user.sub").empty());
    CHECK(looked("allow subscribe on a/{grant.room} with grant") == anybody);
    CHECK(looked("allow subscribe on a/b with grant") == anybody);  // the block itself names the channel
    CHECK(looked("allow subscribe on a/* with grant if grant.sub == user.sub") == anything);
    CHECK(looked("allow subscribe with grant if grant.sub == user.sub") == anything);
    CHECK(looked("allow subscribe on a/{user.sub}/b with grant").empty());
    CHECK(looked("allow subscribe on a/*, b/{grant.room} with grant if grant.sub == user.sub") == anything);
    CHECK(
        Compiled("token once { keys = file \"o\" single_use = true claim room : string required }\n"
                 "route r /r { auth = none allow connect limit connects to 9/s per ip limit messages to 9/s "
                 "per ip limit connections to 5 per ip allow subscribe on a/{once.room} with once }",
                 true)
            .summary()
            .find("W31") == std::string::npos);
}

TEST_CASE("lint: a grant that could be a token of the door", "[grant][lint]") {
    const auto told = [](const std::string& session, const std::string& grant) {
        const std::string text =
            "token session { keys = file \"k\" from header \"T\" claim sub : string required " + session +
            " }\ntoken grant { claim sub : string required " + grant +
            " }\nroute r /r {\nauth = session origins = { none } allow connect\n"
            "allow subscribe on a with grant if grant.sub == user.sub\n}";
        return Compiled(text, true).summary().find("W317 5:27") != std::string::npos;
    };
    CHECK(told("", "keys = file \"k\""));
    CHECK(told("", "keys = file \"k\" audience = \"b\""));
    CHECK(told("audience = \"a\"", "keys = file \"k\" audience = \"a\""));
    CHECK(told("claim more : int else 0", "keys = file \"k\""));
    CHECK_FALSE(told("", "keys = file \"g\""));
    CHECK_FALSE(told("audience = \"a\"", "keys = file \"k\" audience = \"b\""));
    CHECK_FALSE(told("issuer = \"a\"", "keys = file \"k\""));
    CHECK_FALSE(told("claim more : int required", "keys = file \"k\""));
}

TEST_CASE("fmt keeps a grant in its place", "[grant]") {
    Sources sources;
    Diagnostics diagnostics;
    load_text("p.route",
              "route r /a{auth=none allow subscribe on room/:room   with grant if grant.room==room}\n"
              "test \"t\"{ip=::1 expect allow subscribe \"room/a\" with grant{room=\"a\"}because \"b\"}",
              sources, diagnostics);
    const auto made = format(sources, 0, diagnostics);
    INFO(render(diagnostics, sources, false));
    REQUIRE(made);
    CHECK(*made == R"(route r /a {
    auth = none
    allow subscribe on room/:room with grant if grant.room == room
}
test "t" {
    ip = ::1
    expect allow subscribe "room/a" with grant { room = "a" } because "b"
}
)");
}

TEST_CASE("a test says what the grant is", "[grant]") {
    const std::string route = in_route("allow connect allow subscribe on room/{grant.room} with grant");
    const auto in_test = [&](const std::string& step) {
        return Compiled(route + "test \"t\" {\n" + step + "\n}").summary();
    };
    CHECK(in_test("expect allow subscribe \"room/a\" with grant { room = \"a\" }").empty());
    CHECK(in_test("expect allow subscribe \"room/a\" with grant { }") ==
          "E022 8:38 the claim `room` is required\n");
    CHECK(in_test("expect allow subscribe \"room/a\" with grant { room = 7 }") ==
          "E022 8:38 the claim `room` is required\nE003 8:53 `room` is a string, not an int\n");
    CHECK(in_test("expect allow subscribe \"room/a\" with grant { rom = \"a\" room = \"a\" }") ==
          "E002 8:46 `grant` has no claim `rom`\n");
    CHECK(in_test("expect allow subscribe \"room/a\" with grnt { }") ==
          "E002 8:38 there is no token `grnt`\n");
    CHECK(in_test("expect allow history \"room/a\" with grant { room = \"a\" }") ==
          "E004 8:36 `with` has no meaning for history\n");
    const Compiled compiled(route + "test \"t\" { expect deny subscribe \"a\" with grant { room = \"b\" } }");
    REQUIRE(compiled.policy);
    CHECK(compiled.policy->tests[0].steps[0].grant->token == "grant");
}
