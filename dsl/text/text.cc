#include "dsl/text/text.h"

#include <algorithm>

namespace wayleave::dsl {

// Table 3-7 of the Unicode Standard.
size_t utf8_character(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
    if (text.empty()) return 0;
    const unsigned char c = byte(0);
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF) {
        if (!tail(1) || !tail(2)) return 0;
        if (c == 0xE0 && byte(1) < 0xA0) return 0;
        if (c == 0xED && byte(1) > 0x9F) return 0;
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if (c == 0xF0 && byte(1) < 0x90) return 0;
        if (c == 0xF4 && byte(1) > 0x8F) return 0;
        return 4;
    }
    return 0;
}

size_t first_invalid_utf8(std::string_view text) {
    size_t at = 0;
    while (at < text.size()) {
        const size_t size = utf8_character(text.substr(at));
        if (size == 0) return at;
        at += size;
    }
    return std::string_view::npos;
}

bool append_utf8(std::string& out, uint32_t c) {
    const auto put = [&](uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return false;
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)),
            put(0x80 | (c & 0x3F));
    }
    return true;
}

std::string hex_text(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        (out += hex_digits[byte >> 4U]) += hex_digits[byte & 15U];
    }
    return out;
}

std::string hex_text(uint64_t number) {
    std::string out(16, '0');
    for (size_t i = out.size(); i-- > 0; number >>= 4U) out[i] = hex_digits[number & 15U];
    return out;
}

bool glob_match(std::string_view pattern, std::string_view text) {
    const size_t first = pattern.find('*');
    if (first == std::string_view::npos) return pattern == text;
    const size_t last = pattern.rfind('*');
    const std::string_view head = pattern.substr(0, first);
    const std::string_view tail = pattern.substr(last + 1);
    if (text.size() < head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail))
        return false;
    text = text.substr(head.size(), text.size() - head.size() - tail.size());
    pattern = pattern.substr(first, last - first + 1);
    // Each literal piece between stars is taken at its first place: with `*` alone that is never wrong.
    while (!pattern.empty()) {
        const size_t start = pattern.find_first_not_of('*');
        if (start == std::string_view::npos) return true;
        pattern.remove_prefix(start);
        const std::string_view piece = pattern.substr(0, pattern.find('*'));
        const size_t at = text.find(piece);
        if (at == std::string_view::npos) return false;
        text.remove_prefix(at + piece.size());
        pattern.remove_prefix(piece.size());
    }
    return true;
}

namespace {

// U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069 turn the order of what is shown; U+0080 to U+009F
// steer terminals.
bool is_control(std::string_view character) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
    if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
    if (character.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
    if (character.size() != 3 || byte(0) != 0xE2) return false;
    const unsigned char last = byte(2);
    return (byte(1) == 0x80 && ((last >= 0xAA && last <= 0xAE) || last == 0x8E || last == 0x8F)) ||
           (byte(1) == 0x81 && last >= 0xA6 && last <= 0xA9);
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const size_t length = utf8_character(text.substr(at));
        const std::string_view character = text.substr(at, length);
        if (length == 0 || is_control(character)) {
            out += text[at] == '\t' ? ' ' : '.';
        } else {
            out += character;
        }
        at += std::max<size_t>(length, 1);
    }
    return out;
}

std::string quoted(std::string_view text) {
    constexpr size_t most = 120;
    if (text.size() <= most) return "`" + printable(text) + "`";
    size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return "`" + printable(text.substr(0, end)) + "…`";
}

}  // namespace wayleave::dsl
