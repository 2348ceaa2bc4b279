// Looks at a policy that compiles for what is allowed but probably not meant. For people who write policies:
// the daemon does not run this.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "dsl/compile/check_expr.h"
#include "dsl/policy/policy.h"
#include "dsl/syntax/ast.h"
#include "dsl/syntax/statements.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// What the tests of a policy reached.
struct TestCoverage {
    std::set<std::string, std::less<>> routes;  // by name
    std::set<std::string, std::less<>> rules;   // that decided, by place
};

// What is known of the daemon around the policy; nothing, where only policy files were named.
struct LintSurroundings {
    struct Listeners {
        bool all_loopback = false;
        bool trusted_proxies = false;  // the settings say whose X-Forwarded-For is believed
    };
    std::optional<Listeners> listeners;
    int64_t today = 0;  // days since 1970; 0: not known
    // Runs the policy's tests; null: nobody can.
    std::function<TestCoverage(const Policy&)> coverage = nullptr;
    bool style = false;  // look for what `wayleave fmt` would change
};

// Adds warnings and notes. `policy` is what compile() made of `file`.
void lint(const ast::File& file, const Sources& sources, const Policy& policy,
          const LintSurroundings& surroundings, Diagnostics& diagnostics);

struct Linted {
    std::shared_ptr<const Policy> policy;          // null if there is any error
    std::shared_ptr<const Statements> statements;  // of what could be read
};

// compile() and lint() with regard to the comments that suppress findings.
[[nodiscard]] Linted compile_and_lint(const Sources& sources, const FileReader& files,
                                      const LintSurroundings& surroundings, Diagnostics& diagnostics);

// Whether lint() and compile() look for it at all, so that its absence means something.
[[nodiscard]] bool looked_for(std::string_view id, const LintSurroundings& surroundings);

}  // namespace wayleave::dsl
