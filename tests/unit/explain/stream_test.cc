// What a client says to a stream: asked by explain, and by the tests that stand in a policy.
#include <catch2/catch.hpp>

#include "daemon/decision/runtime.h"
#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "daemon/explain/test_run.h"
#include "tests/unit/core/gateway_fixture.h"
#include "tests/unit/dsl/compiled.h"

using namespace wayleave;
using dsl::Action;

namespace {

const Now now{1'000'000, 1'700'000'000'000};

const std::string policy = R"(
token t { keys = file "k"  from cookie "s"  claim sub : string required  claim plan : string else "free" }
backend app { url = "http://127.0.0.1:9" }
route r /r/:room {
    auth = t  origins = none
    allow connect
    deny message if message.size > 1kb because "too much"
    stream tasks to app "/tasks/{room}" {
        max_message = 2kb
        limit messages to 2/s per user.sub because "slow down"
        deny if user.sub == "eve" then error "no_eve" because "not you"
    }
    stream paid to app "/paid" if user.plan == "team"
}
)";

Explanation ask(const std::string& claims, const Question& question) {
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
    const auto& admitted = std::get<Admitted>(*admission);
    const dsl::Residual residual = dsl::fold(admitted.route->program, admitted.answers);
    return explain(opened(*runtime.policy, admitted, residual), question, limits, now, true).explanation;
}

TestRun run(const std::string& test) {
    dsl::Compiled made(policy + test);
    INFO(made.summary());
    REQUIRE(made.policy);
    Runtime runtime;
    runtime.policy = made.policy;
    runtime.verifier = std::make_shared<test::OpenVerifier>();
    return run_tests(runtime, runtime.policy->tests, now);
}

}  // namespace

TEST_CASE("explain: what is said to a stream") {
    const Explanation good = ask(R"({"sub":"ann"})", {Action::stream, "tasks", R"({"x":1})"});
    CHECK(good.verdict == Verdict::allow);
    CHECK(good.place == "p.route:8:5");
    CHECK(good.effects == std::vector<std::string>{"goes to app /tasks/lobby"});
    REQUIRE(good.rules.size() == 2);
    CHECK(good.rules[0].text == R"(deny if user.sub == "eve" then error "no_eve" because "not you")");
    REQUIRE(good.limits.size() == 1);
    CHECK(good.limits[0].left == 1);

    const Explanation eve = ask(R"({"sub":"eve"})", {Action::stream, "tasks", "[1]"});
    CHECK(eve.verdict == Verdict::deny);
    CHECK(eve.because == "not you");
    CHECK(eve.client == "$error no_eve");
    CHECK(eve.place == "p.route:11:9");

    // The size is that of what is said, as the daemon counts it.
    const auto text = [](size_t size) { return "\"" + std::string(size - 2, 'x') + "\""; };
    CHECK(ask(R"({"sub":"ann"})", {Action::stream, "tasks", text(1024)}).verdict == Verdict::allow);
    CHECK(ask(R"({"sub":"ann"})", {Action::stream, "tasks", text(1025)}).because == "too much");
    CHECK(ask(R"({"sub":"ann"})", {Action::stream, "tasks", text(2049)}).reason == "too_big");
    CHECK(ask(R"({"sub":"ann"})", {Action::stream, "tasks", "{"}).reason == "bad_message");
}

TEST_CASE("explain: a stream that the client has not") {
    const Explanation free = ask(R"({"sub":"ann"})", {Action::stream, "paid", "1"});
    CHECK(free.reason == "unknown_message");
    CHECK(free.place == "p.route:13:5");
    REQUIRE(free.rules.size() == 1);
    CHECK(free.rules[0].text == "stream paid if user.plan == \"team\"");
    CHECK(free.rules[0].why == std::vector<std::string>{"user.plan == \"team\": user.plan is \"free\""});
    CHECK(ask(R"({"sub":"ann","plan":"team"})", {Action::stream, "paid", "1"}).verdict == Verdict::allow);
    CHECK(ask(R"({"sub":"ann"})", {Action::stream, "other", "1"}).reason == "unknown_message");
}

TEST_CASE("tests ask about streams, and cover their rules") {
    const TestRun all = run(R"(
test "streams" at "/r/lobby" {
    as t { sub = "eve" }
    expect deny stream "tasks" { x = 1 } because "not you"
    expect deny stream "paid"
    as t { sub = "ann"  plan = "team" }
    expect allow stream "paid"
    expect limit stream "tasks" { deep = { x = 1 } } times 3 because "slow down"
})");
    for (const TestResult& result : all.results)
        for (const TestFailure& failure : result.failures) UNSCOPED_INFO(failure.place + " " + failure.text);
    CHECK(all.failed() == 0);
    // `allow connect` is asked about by nobody, and no message is too large.
    CHECK(all.uncovered() == 2);

    const TestRun wrong =
        run("test \"w\" at \"/r/a\" { as t { sub = \"eve\" } expect allow stream \"tasks\" }");
    REQUIRE(wrong.failed() == 1);
    CHECK(wrong.results[0].failures[0].text ==
          "expected allow stream `tasks`, but it is denied because `not you` (forbidden), p.route:11:9");
    dsl::Compiled none(policy + "test \"n\" { expect allow stream \"task\" }");
    CHECK(none.summary() == "E002 15:32 there is no stream `task`\n");
}
