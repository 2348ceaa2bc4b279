// What the operators of the language mean, written down as plainly as possible and without the code of dsl/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/value.h"
#include "dsl/syntax/ast.h"

namespace wayleave::tests {

[[nodiscard]] bool slow_glob(std::string_view pattern, std::string_view text);
[[nodiscard]] bool slow_compare(dsl::ast::CompareOp op, const dsl::Value& left, const dsl::Value& right);

// Whether a segment can be part of a channel's name, and whether a capture of that type takes it.
[[nodiscard]] bool slow_segment(std::string_view segment);
[[nodiscard]] std::string slow_escape(const std::string& value);  // as an insert stands in a channel
[[nodiscard]] bool slow_capture(std::string_view type, std::string_view segment);

[[nodiscard]] std::vector<std::string> slow_split(std::string_view text, char separator);

// /24 or /56.
[[nodiscard]] dsl::Net slow_subnet(const dsl::Address& ip);

}  // namespace wayleave::tests
