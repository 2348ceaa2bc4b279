// Looks at a policy that compiles for what is allowed but probably not meant. For people who write policies:
// the daemon does not run this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "dsl/ast.h"
#include "dsl/check_expr.h"
#include "dsl/diagnostic.h"
#include "dsl/policy.h"
#include "dsl/source.h"
#include "dsl/statements.h"

namespace wayleave::dsl {

// What is known of the daemon around the policy; nothing, where only policy files were named.
struct LintSurroundings {
    struct Listeners {
        bool all_loopback = false;
        bool trusted_proxies = false;  // the settings say whose X-Forwarded-For is believed
    };
    std::optional<Listeners> listeners;
    int64_t today = 0;  // days since 1970; 0: not known
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
