// Characters of protocols, which are ASCII whatever the locale says. Pure.
#pragma once

namespace wayleave {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

[[nodiscard]] constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// What a hexadecimal digit stands for; -1 for what is none.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace wayleave
