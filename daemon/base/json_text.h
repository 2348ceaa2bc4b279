// JSON that RFC 8259 allows and simdjson's DOM refuses: numbers that no type of ours holds (1e400, integers
// of more than 64 bits) and strings with half of a surrogate pair ("\ud83d"). Others write them into members
// that nobody here reads. Pure.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

// Parses the text, which needs no padding. Values that cannot be held are null to whoever looks at them, and
// half a pair in a member's name is a NUL and its four hexadecimal digits: no such name is one that we know.
[[nodiscard]] simdjson::error_code parse_json(simdjson::dom::parser& parser, std::string_view text,
                                              simdjson::dom::element& root);

// The second half of it, for who has parsed the text, which ended with `error`: tries again if that may help.
[[nodiscard]] simdjson::error_code parse_json_again(simdjson::dom::parser& parser, std::string_view text,
                                                    simdjson::error_code error, simdjson::dom::element& root);

// The text with replacements as above, the same members in the same order; nothing if it is no JSON.
// A text that is none is not always found out here, but stays none.
[[nodiscard]] std::optional<std::string> representable_json(std::string_view text);

}  // namespace wayleave
