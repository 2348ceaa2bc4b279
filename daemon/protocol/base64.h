// Base64 with padding (RFC 4648 4): one text for one sequence of bytes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

[[nodiscard]] std::string base64_text(std::string_view bytes);
// Nothing if it is malformed, or another text says the same.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace wayleave
