// Rules with `by` in the tests of a policy and in explain.
#include <catch2/catch.hpp>

#include "daemon/explain/explained_decision.h"
#include "daemon/explain/test_run.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required }
backend app { url = "http://127.0.0.1:1" }
route chat /chat {
    auth = session  origins = { none }
    allow connect
    deny subscribe on room/secret because "never"
    allow subscribe on room/:room by app "/rooms/{room}/may-join" if user.sub != "eve"
    allow subscribe on room/open
}
)";

const Now now{1'000'000, 1'700'000'000'000};

std::vector<std::string> failures_of(const std::string& steps) {
    Runtime runtime;
    runtime.policy = test::policy_from(policy + "test \"t\" at \"/chat\" {\nas session { sub = \"ann\" }\n" +
                                       steps + "\n}\n");
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    std::vector<std::string> out;
    // The run is named: a loop over what `at` returns would outlive it.
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    for (const TestFailure& one : run.results.at(0).failures) out.push_back(one.text);
    return out;
}

}  // namespace

TEST_CASE("a test says what the backend answers") {
    CHECK(failures_of(R"(
        expect deny subscribe "room/secret"  because "never"
        expect allow subscribe "room/open"
        backend app answers 200
        expect allow subscribe "room/a"
        backend app answers 200 { for = 60 }
        expect allow subscribe "room/a"
        backend app answers 403 { because = "not a member" }
        expect deny subscribe "room/a" because "not a member"
        backend app answers 200 { allowed = false }
        expect deny subscribe "room/a")")
              .empty());
    const auto unsaid = failures_of("expect allow subscribe \"room/a\"");
    REQUIRE(unsaid.size() == 1);
    CHECK_THAT(unsaid[0], Contains("the backend app decides") && Contains("backend NAME answers 200"));
    CHECK(failures_of("expect deny subscribe \"room/a\"").size() == 1);
    CHECK(failures_of("backend app answers 500\nexpect allow subscribe \"room/a\"").size() == 1);
}
