// JSON members as typed values of the policy, and the values as JSON.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/value.h"

namespace wayleave {

// The member at the path, or nothing. `ambiguous` is set if a name on the way stands twice in its object: two
// readers would understand two things.
[[nodiscard]] std::optional<simdjson::dom::element> json_member(simdjson::dom::object object,
                                                                const std::vector<std::string>& path,
                                                                bool& ambiguous);

// The element as a value of that type, or nothing if it is of another: nothing is converted but the texts of
// ip and date.
[[nodiscard]] std::optional<dsl::Value> json_value(simdjson::dom::element element, dsl::Type type);

// The texts between separators as a set or list of string; nothing if they are too many. Separators in a row,
// or at an end, have nothing between them.
[[nodiscard]] std::optional<dsl::Value> split_value(std::string_view text, std::string_view separator,
                                                    dsl::Type type);

// Text from a header or a query as a value of that type.
[[nodiscard]] std::optional<dsl::Value> text_value(std::string_view text, dsl::Type type);

// Appends a value as JSON: texts, ips, nets, dates and rates as strings, sizes in bytes, times in
// milliseconds.
void append_json(std::string& out, const dsl::Value& value, dsl::Type type);

}  // namespace wayleave
