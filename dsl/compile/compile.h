// Text to policy: parse, resolve, check, compile. The one way in for the daemon, lint and the tests.
#pragma once

#include <memory>

#include "dsl/compile/check_expr.h"
#include "dsl/policy/policy.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// Null if there is any error; all that were found are in `diagnostics`. Pure but for `files`, which reads the
// lists that the policy names.
[[nodiscard]] std::shared_ptr<const Policy> compile(const Sources& sources, const FileReader& files,
                                                    Diagnostics& diagnostics);

// The same for what parse() gave; for those who look at the tree as well. Where parse() left holes, there is
// no policy, and what is told are the mistakes that do not follow from the holes.
[[nodiscard]] std::shared_ptr<const Policy> compile(const ast::File& file, const Sources& sources,
                                                    const FileReader& files, Diagnostics& diagnostics);

}  // namespace wayleave::dsl
