// Small questions about text that several parts of the language ask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace wayleave::dsl {

// The offset of the first byte that is not valid UTF-8 (RFC 3629), or npos.
size_t first_invalid_utf8(std::string_view text);

// The size of the character that the text begins with; 0 if it is not valid UTF-8, or if there is none.
size_t utf8_character(std::string_view text);

// Appends a code point as UTF-8. False for a surrogate or a value beyond U+10FFFF.
bool append_utf8(std::string& out, uint32_t code_point);

// Hexadecimal, in small letters: the bytes one after the other, or all 16 digits of a number.
constexpr std::string_view hex_digits = "0123456789abcdef";
std::string hex_text(std::string_view bytes);
std::string hex_text(uint64_t number);

// Whole-string glob with `*` for any run of characters; linear in the sum of the lengths.
bool glob_match(std::string_view pattern, std::string_view text);

// Lets a hash table of strings be asked with a view.
struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// Each control character, also those that turn the direction of a line, and each byte that is no UTF-8
// replaced by one visible character: neither a terminal nor its reader must be steered by a policy file.
std::string printable(std::string_view text);

std::string quoted(std::string_view text);  // `text`, for messages; printable and not too long

}  // namespace wayleave::dsl
