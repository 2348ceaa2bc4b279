// What an operator may name of the policy in force: its routes, and the lines that may refuse. A slip would
// otherwise watch nothing without a word. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/session/trace_filter.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// Error: for who asked; it names those that there are, or the nearest.
[[nodiscard]] Status check_names(const TraceFilter& filter, const dsl::Policy& policy);

// "chat.route:12:5" of each statement that a refusal may name, with the path of its file.
[[nodiscard]] std::vector<std::string_view> places_of(const dsl::Policy& policy);

}  // namespace wayleave
