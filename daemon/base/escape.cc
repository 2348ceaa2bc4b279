#include "daemon/base/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace wayleave {

namespace {

struct Character {
    uint32_t code = 0;
    size_t length = 0;  // in bytes; 0 if the bytes are not valid UTF-8
};

// Bytes of the sequence that starts with this one; 0 if none does.
size_t sequence_length(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

Character first_character(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const size_t length = sequence_length(byte(0));
    if (length == 1) return {byte(0), 1};
    if (length == 0 || length > text.size()) return {};
    uint32_t code = byte(0) & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return {};
        code = (code << 6U) | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (overlong || surrogate || code > 0x10ffff) return {};
    return {code, length};
}

bool is_treacherous(uint32_t code) {
    return (code >= 0x80 && code <= 0x9f)          // C1: some terminals take U+009B for ESC [
           || code == 0x061c || code == 0xfeff     // Arabic letter mark, byte order mark
           || code == 0x200e || code == 0x200f     // left-to-right and right-to-left mark
           || (code >= 0x2028 && code <= 0x202e)   // line separators, bidi embeddings and overrides
           || (code >= 0x2066 && code <= 0x2069);  // bidi isolates
}

std::string escaped(std::string_view text, const Character& character) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (character.length == 0 || lead < 0x20 || lead == 0x7f) return fmt::format("\\x{:02X}", lead);
    if (is_treacherous(character.code)) return fmt::format("\\u{{{:04X}}}", character.code);
    if (lead == '\\') return "\\\\";
    return std::string(text.substr(0, character.length));
}

std::string escape_line(std::string_view text, size_t max, bool word) {
    std::string line;
    while (!text.empty()) {
        const Character character = first_character(text);
        const std::string piece = word && text[0] == ' ' ? "\\x20" : escaped(text, character);
        if (line.size() + piece.size() > max) return line + "…";
        line += piece;
        text.remove_prefix(character.length == 0 ? 1 : character.length);
    }
    return line;
}

}  // namespace

std::string escape_peer_text(std::string_view text, size_t max) {
    return escape_line(text, max, false);
}

std::string escape_peer_word(std::string_view text, size_t max) {
    return escape_line(text, max, true);
}

std::string escape_json(std::string_view json) {
    std::string out;
    while (!json.empty()) {
        const Character character = first_character(json);
        const size_t length = std::max<size_t>(character.length, 1);
        // All of them are of the basic plane; what is no UTF-8 cannot stand in JSON.
        out += is_treacherous(character.code) ? fmt::format("\\u{:04x}", character.code)
               : character.length == 0        ? "\\ufffd"
                                              : std::string(json.substr(0, length));
        json.remove_prefix(length);
    }
    return out;
}

}  // namespace wayleave
