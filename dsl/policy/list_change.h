// How a line of the canonical form is shown where it may hold a very long list.
#pragma once

#include <string>
#include <string_view>

namespace wayleave::dsl {

// Lists of more than a few values as `{ 100000 values }`.
[[nodiscard]] std::string shortened(std::string_view line);

// What stands around the long lists of a line; empty if it has none.
[[nodiscard]] std::string skeleton_of(std::string_view line);

// The new line, with `{ +2 -1 values: … }` where its lists differ from those of the old one. Empty if the two
// differ in anything else, or in nothing that is long.
[[nodiscard]] std::string with_list_changes(std::string_view before, std::string_view after);

}  // namespace wayleave::dsl
