// Strict base64url without padding (RFC 7515, section 2): one text for one sequence of bytes, so a token
// cannot be written in two ways. Padding, white space, the other alphabet and non-zero trailing bits are
// refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace wayleave
