// Under what a policy counts: what is counted, and for whom. Short, whatever peers put into it.
#pragma once

#include <string>

#include "dsl/policy/evaluate.h"
#include "dsl/policy/policy.h"

namespace wayleave {

[[nodiscard]] std::string limit_key(const dsl::Program& program, const dsl::Limit& limit,
                                    const dsl::Request& request);

// As which an address is counted: itself, or the /64 of an IPv6 one.
[[nodiscard]] dsl::Net counted_network(dsl::Address address);

// An IPv6 address stands for its /64.
[[nodiscard]] std::string ban_key(const dsl::Program& program, const dsl::Ban& ban,
                                  const dsl::Request& request);

}  // namespace wayleave
