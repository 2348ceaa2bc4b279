// Where a proxied route sends a client: told by explain, and asked by the tests that stand in a policy.
#include <catch2/catch.hpp>

#include "daemon/decision/runtime.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/explain/test_run.h"
#include "tests/unit/core/gateway_fixture.h"
#include "tests/unit/dsl/compiled.h"

using namespace wayleave;

namespace {

const Now now{1'000'000, 1'700'000'000'000};

const std::string policy = R"(
token t { keys = file "k"  from cookie "s"  claim sub : string required  claim plan : string else "free" }
backend app { url = "http://127.0.0.1:9" }
route r /r/:room {
    auth = t  origins = none
    allow connect
    proxy to app "/ws/{room}" if user.plan == "team"
}
)";

Explanation ask(const std::string& claims) {
    dsl::Compiled made(policy);
    REQUIRE(made.policy);
    Runtime runtime;
    runtime.policy = made.policy;
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    ClientSpec sketch;
    sketch.ip = *dsl::parse_address("192.0.2.1");
    sketch.address = "/r/lobby";
    sketch.token = "t";
    sketch.claims = claims;
    LimitTable limits(64);
    const auto admission = simulate(runtime, sketch, AdmissionKind::route, limits, now);
    REQUIRE(admission);
    return explain_admission(*runtime.policy, *admission, "/r/lobby", limits, now, true).explanation;
}

}  // namespace

TEST_CASE("explain: to which backend a client is passed on") {
    const Explanation team = ask(R"({"sub":"ann","plan":"team"})");
    CHECK(team.verdict == Verdict::allow);
    CHECK(team.effects == std::vector<std::string>{R"(is passed on to the backend app at "/ws/{room}")"});
}

TEST_CASE("explain: who fits no `proxy` is refused, as the daemon does") {
    const Explanation free = ask(R"({"sub":"ann"})");
    CHECK(free.verdict == Verdict::deny);
    CHECK(free.because == "no backend of the route is for this connection");
    CHECK(free.client == "HTTP 403 forbidden");
}

TEST_CASE("a policy's tests ask about the `proxy`, too") {
    dsl::Compiled made(policy + R"(
test "plans" at "/r/lobby" {
    as t { sub = "ann"  plan = "team" }
    expect allow connect "/r/lobby"
    as t { sub = "ann" }
    expect deny connect "/r/lobby" because "no backend of the route is for this connection"
}
)");
    INFO(made.summary());
    REQUIRE(made.policy);
    Runtime runtime;
    runtime.policy = made.policy;
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    const TestRun run = run_tests(runtime, runtime.policy->tests, now);
    CHECK(run.failed() == 0);
}
