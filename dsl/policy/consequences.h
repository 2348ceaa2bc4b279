// What a change of streams, proxies and addresses does to those who are connected: the lines of a difference
// do not say it.
#pragma once

#include <string>
#include <vector>

#include "dsl/policy/policy.h"

namespace wayleave::dsl {

// Of one route, before and after; a sentence each.
[[nodiscard]] std::vector<std::string> consequences(const Policy& before, const Route& was,
                                                    const Policy& after, const Route& is);

}  // namespace wayleave::dsl
