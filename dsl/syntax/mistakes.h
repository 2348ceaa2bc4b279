// The mistakes that people make in a policy, and what to tell them. Looks at the text alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wayleave::dsl {

struct Wording {
    std::string message;
    std::string help;
    size_t length = 0;  // bytes to underline; 0: the token
};

// What stands there, for "found …".
[[nodiscard]] std::string found(std::string_view text, size_t at);

[[nodiscard]] std::optional<Wording> common_mistake(std::string_view text, size_t at);
[[nodiscard]] std::optional<Wording> foreign_word(std::string_view word);  // `contains`, `unless`

// A word that was meant as a name: upper-case letters, `-`, a leading `_`.
[[nodiscard]] bool is_bad_name(std::string_view word);
[[nodiscard]] Wording bad_name(std::string_view word);

// `inside`: the mistake is a character in an address or a channel that began well.
[[nodiscard]] std::optional<Wording> address_mistake(std::string_view text, size_t at, bool inside);
[[nodiscard]] std::optional<Wording> channel_mistake(std::string_view text, size_t at, bool inside);

}  // namespace wayleave::dsl
