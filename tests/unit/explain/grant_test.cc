// Grants in the tests of a policy and in explain: decided as the gateway decides them.
#include <catch2/catch.hpp>

#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/explain/test_run.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
token grant { keys = file "g"  claim sub : string required  claim room : string as "for.room" required
              claim pin : int else 0 secret }
token other { keys = file "o"  from query "o"  claim sub : string required }
route chat /chat {
    auth = session  origins = { none }
    allow connect
    deny subscribe on room/secret with grant if grant.pin != 7 because "wrong pin"
    allow subscribe on room/:room with grant if grant.room == room and grant.sub == user.sub
}
route else /else { auth = other  origins = { none }  allow connect }
)";

const Now now{1'000'000, 1'700'000'000'000};

TestRun run(const std::string& steps) {
    Runtime runtime;
    runtime.policy = test::policy_from(policy + "test \"t\" at \"/chat\" {\nas session { sub = \"ann\" }\n" +
                                       steps + "\n}\n");
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    return run_tests(runtime, runtime.policy->tests, now);
}

std::string failure_of(const std::string& step) {
    const TestRun done = run(step);
    REQUIRE(done.results.size() == 1);
    return done.results[0].failures.empty() ? "" : done.results[0].failures[0].text;
}

Explanation explained(const Question& question) {
    Runtime runtime;
    runtime.policy = test::policy_from(policy);
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    ClientSpec client;
    client.ip = *dsl::parse_address("192.0.2.1");
    client.address = "/chat";
    client.token = "session";
    client.claims = R"({"sub":"ann"})";
    LimitTable limits(64);
    const auto admission = simulate(runtime, client, AdmissionKind::route, limits, now);
    REQUIRE(admission);
    const auto& admitted = std::get<Admitted>(*admission);
    const dsl::Residual residual = dsl::fold(admitted.route->program, admitted.answers);
    return explain(opened(*runtime.policy, admitted, residual), question, limits, now, true).explanation;
}

Question asking(const std::string& channel, const std::string& claims) {
    const auto parsed = test::policy_from(policy);
    Question question{dsl::Action::subscribe, channel, {}};
    auto grant = stated_grant(*parsed, *parsed->route("chat"), "grant", claims, now);
    if (grant) {
        question.grant = std::move(*grant);
    } else {
        question.no_grant = grant.error();
    }
    return question;
}

}  // namespace

TEST_CASE("a test says what the client brings", "[grant]") {
    CHECK(failure_of("expect allow subscribe \"room/a\" with grant { sub = \"ann\" room = \"a\" }").empty());
    CHECK(failure_of("expect deny subscribe \"room/a\"").empty());
    CHECK(failure_of("expect deny subscribe \"room/b\" with grant { sub = \"ann\" room = \"a\" }").empty());
    CHECK(failure_of("expect deny subscribe \"room/a\" with grant { sub = \"bob\" room = \"a\" }").empty());
    CHECK(failure_of(
              "expect deny subscribe \"room/secret\" with grant { sub = \"ann\" room = \"secret\" }\n"
              "expect deny subscribe \"room/secret\" with grant { sub = \"ann\" room = \"secret\" } "
              "because \"wrong pin\"\n"
              "expect allow subscribe \"room/secret\" with grant { sub = \"ann\" room = \"secret\" pin = 7 }")
              .empty());
    // Each expectation says it for itself.
    CHECK_THAT(failure_of("expect allow subscribe \"room/a\" with grant { sub = \"ann\" room = \"a\" }\n"
                          "expect allow subscribe \"room/a\""),
               Contains("it is denied"));
    CHECK_THAT(failure_of("expect allow subscribe \"room/a\" with other { sub = \"ann\" }"),
               Contains("no rule of this route says `with other`"));
}

TEST_CASE("explain tells what a grant says, and what stands against it", "[grant]") {
    const Explanation yes = explained(asking("room/a", R"({"sub":"ann","for":{"room":"a"}})"));
    CHECK(yes.verdict == Verdict::allow);
    const auto told = [](const std::vector<std::string>& lines) {
        std::string all;
        for (const std::string& line : lines) all += line + "\n";
        return all;
    };
    CHECK_THAT(told(yes.facts), Contains("grant.room is \"a\"") && Contains("grant.pin is (secret)"));
    const Explanation no = explained(asking("room/b", R"({"sub":"ann","for":{"room":"a"}})"));
    CHECK(no.verdict == Verdict::deny);
    REQUIRE(no.rules.size() == 2);
    CHECK_THAT(no.rules[1].text, Contains("with grant"));
    CHECK_THAT(told(no.rules[1].why), Contains("grant.room is \"a\""));
    const Explanation none = explained({dsl::Action::subscribe, "room/a", {}});
    CHECK(none.verdict == Verdict::deny);
    CHECK_THAT(told(none.rules.at(1).why), Contains("with grant"));
    const Explanation late =
        explained(asking("room/a", R"({"sub":"ann","for":{"room":"a"},"exp":1600000000})"));
    CHECK(late.verdict == Verdict::deny);
    CHECK(late.because == "the token has expired");
}
