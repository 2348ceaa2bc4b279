// What an application's message may be called: by a client, in a policy, and in what is published.
#pragma once

#include <algorithm>
#include <string_view>

namespace wayleave::dsl {

constexpr size_t longest_message_type = 128;

// Any text without control characters. What begins with `$` is the daemon's own.
[[nodiscard]] inline bool is_message_type(std::string_view text) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    return !text.empty() && text.size() <= longest_message_type && !text.starts_with('$') &&
           std::none_of(text.begin(), text.end(), is_control);
}

// `call.*` and `room:*` mean those below, and `*` means all.
[[nodiscard]] inline bool names_many(std::string_view type) {
    return type == "*" || type.ends_with(".*") || type.ends_with(":*");
}

// Such as can stand in a policy without quotes.
[[nodiscard]] inline bool is_plain_type(std::string_view type) {
    const auto is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.';
    };
    if (type == "*") return true;
    if (type.ends_with(".*")) type.remove_suffix(2);
    return !type.empty() && type.front() != '.' && type.back() != '.' &&
           type.find("..") == std::string_view::npos && std::all_of(type.begin(), type.end(), is_word);
}

}  // namespace wayleave::dsl
