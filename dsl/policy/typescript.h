// What a route's clients may say and will hear, as types of TypeScript. Like describe.h it depends on meaning
// alone, so that the same policy gives the same text.
#pragma once

#include <string>

#include "dsl/policy/policy.h"

namespace wayleave::dsl {

// A whole file of declarations: `Wire`, as the client's wayleave.d.ts describes it, and `WireIn`.
[[nodiscard]] std::string typescript(const Route& route);

}  // namespace wayleave::dsl
