#include "daemon/identity/base64url.h"

#include <array>
#include <cstdint>

namespace wayleave {

namespace {

constexpr uint8_t no_digit = 0xff;

constexpr std::array<uint8_t, 256> make_digits() {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array<uint8_t, 256> digits{};
    for (auto& digit : digits) digit = no_digit;
    for (size_t i = 0; i < alphabet.size(); ++i) {
        digits[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
    }
    return digits;
}

constexpr auto digits = make_digits();

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    uint32_t buffer = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const uint8_t digit = digits[static_cast<unsigned char>(c)];
        if (digit == no_digit) return std::nullopt;
        buffer = (buffer << 6U) | digit;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes.push_back(static_cast<char>((buffer >> bits) & 0xffU));
        buffer &= (1U << bits) - 1U;
    }
    if (buffer != 0) return std::nullopt;  // bits that belong to no byte must be zero
    return bytes;
}

}  // namespace wayleave
