// Small questions about text that several parts of the language ask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wayleave::dsl {

// The offset of the first byte that is not valid UTF-8 (RFC 3629), or npos.
size_t first_invalid_utf8(std::string_view text);

// Appends a code point as UTF-8. False for a surrogate or a value beyond U+10FFFF.
bool append_utf8(std::string& out, uint32_t code_point);

// Whole-string glob with `*` for any run of characters; linear in the sum of the lengths.
bool glob_match(std::string_view pattern, std::string_view text);

std::string quoted(std::string_view text);  // `text`, for messages

}  // namespace wayleave::dsl
