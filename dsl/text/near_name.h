// "Did you mean": the known name that a mistyped one most probably stands for.
#pragma once

#include <span>
#include <string_view>

namespace wayleave {

// The nearest of `known` by edit distance (insert, delete, replace, swap of neighbours), at most a third of
// the longer name away; the first of equals. Empty if none is near. The view points into `known`.
[[nodiscard]] std::string_view near_name(std::string_view given, std::span<const std::string_view> known);

}  // namespace wayleave
