// Runs the test blocks of a policy, offline and with the clock standing still, and notes which rules decided
// anything.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/runtime.h"
#include "dsl/policy/policy.h"

namespace wayleave {

struct TestFailure {
    std::string place;  // of the `expect`
    std::string text;   // "expected deny subscribe \"a\", but it is allowed by chat.route:12:5"
};

struct TestResult {
    std::string title;
    std::string place;
    size_t expectations = 0;
    std::vector<TestFailure> failures;
};

// A rule (allow or deny) and whether it decided in any test.
struct RuleCoverage {
    std::string place;
    bool decided = false;
};

struct TestRun {
    std::vector<TestResult> results;            // in the order of the policy
    std::vector<RuleCoverage> rules;            // by place, each once, however many routes it reaches
    std::set<std::string, std::less<>> routes;  // that a client was judged at, by name

    [[nodiscard]] size_t failed() const;     // tests
    [[nodiscard]] size_t uncovered() const;  // rules
    [[nodiscard]] double coverage() const;   // percent; 100 where there is no rule
};

// How many questions the tests ask in all. The daemon runs tests on its main thread, so there it has a bound.
[[nodiscard]] int64_t questions(const std::vector<dsl::TestCase>& tests);
constexpr int64_t most_questions_of_daemon = 20'000;

// The tests of the policy itself, or those of another that is compared with it.
[[nodiscard]] TestRun run_tests(const Runtime& runtime, const std::vector<dsl::TestCase>& tests, Now now);

// JUnit's XML, as CI systems read it.
[[nodiscard]] std::string junit_of(const TestRun& run);

}  // namespace wayleave
