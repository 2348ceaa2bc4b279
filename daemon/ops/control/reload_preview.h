// What a reload would do, told before it is done: `wayleave reload --dry-run`.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/runtime.h"
#include "daemon/session/gateway.h"
#include "dsl/policy/difference.h"

namespace wayleave {

// A test whose result would be another; empty text: it passes.
struct TestChange {
    std::string title;
    bool is_new = false;
    std::string before;
    std::string after;
};

struct ReloadPreview {
    std::vector<dsl::SectionChange> changes;
    std::vector<std::string> beside;  // of keys, certificates and settings
    ReloadImpact impact;              // of all workers
    bool impact_known = true;         // all workers answered in time
    std::vector<TestChange> tests;
    bool tests_known = true;  // there were not too many to run in the daemon
};

// The tests of the policy in force run under both, and those that are new under the new one.
[[nodiscard]] std::vector<TestChange> changed_tests(const Runtime& before, const Runtime& after, Now now);

[[nodiscard]] std::string text_of(const ReloadPreview& forecast);
[[nodiscard]] std::string json_of(const ReloadPreview& forecast);  // members of an object, without its braces

}  // namespace wayleave
