// Writing JSON: the little that the daemon writes itself.
#pragma once

#include <string>
#include <string_view>

namespace wayleave {

// A string with its quotes. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace wayleave
