// The line of the policy that refused, and what was known of the client then, in words. Pure.
#pragma once

#include <string>
#include <string_view>

#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// The rule, limit or field at that place of the route; empty: none stands there.
[[nodiscard]] std::string rule_in_words(const dsl::Route& route, std::string_view place);

// Why that rule held, a line each as `explain` writes it: `user.plan == "free": user.plan is "free"`. What is
// asked of a channel or a message is left out, since they are gone; secret values are not shown.
[[nodiscard]] std::string findings_in_words(const dsl::Route& route, const dsl::Facts& facts,
                                            std::string_view place, bool identified);

// `ip is 10.0.0.1, user.role is "guest"`: what rules can ask about a connection. Secret ones are not shown,
// and claims and inputs only if they are known.
[[nodiscard]] std::string facts_in_words(const dsl::Route& route, const dsl::Facts& facts, bool identified);

}  // namespace wayleave
