// Texts that are not what they look like (W113), and secrets in them (W308).
#include <algorithm>
#include <array>
#include <cmath>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

struct Character {
    uint32_t code = 0;
    size_t size = 1;
};

// The text is valid UTF-8: load_text() refused the file otherwise.
Character character_at(std::string_view text, size_t at) {
    const auto byte = [&](size_t i) {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
    };
    const uint32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    if (first < 0xE0) return {((first & 0x1FU) << 6) | (byte(1) & 0x3FU), 2};
    if (first < 0xF0) return {((first & 0x0FU) << 12) | ((byte(1) & 0x3FU) << 6) | (byte(2) & 0x3FU), 3};
    return {
        ((first & 0x07U) << 18) | ((byte(1) & 0x3FU) << 12) | ((byte(2) & 0x3FU) << 6) | (byte(3) & 0x3FU),
        4};
}

// They change the order in which the rest of a line is shown: "Trojan Source".
bool is_bidi_control(uint32_t code) {
    return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}
bool is_invisible(uint32_t code) {
    return code == 0x00AD || code == 0x200B || code == 0x2060 || code == 0xFEFF || code == 0x180E;
}

// Scripts whose letters look like each other's.
enum class Script : uint8_t { none, latin, greek, cyrillic, fullwidth };

Script script_of(uint32_t code) {
    if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z')) return Script::latin;
    if (code >= 0x00C0 && code <= 0x024F && code != 0x00D7 && code != 0x00F7) return Script::latin;
    if (code >= 0x0370 && code <= 0x03FF) return Script::greek;
    if (code >= 0x0400 && code <= 0x052F) return Script::cyrillic;
    if (code >= 0xFF21 && code <= 0xFF5A) return Script::fullwidth;
    return Script::none;
}

std::string hexadecimal(uint32_t code) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[(code >> static_cast<unsigned>(shift)) & 0xF];
    return "U+" + out;
}

// The first character that makes a word one of two scripts; 0 if there is none. A word ends at what is no
// letter.
uint32_t mixing_letter(std::string_view text) {
    Script word = Script::none;
    for (size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        i += c.size;
        const Script script = script_of(c.code);
        const bool ends = script == Script::none && c.code < 0x80;
        if (ends) word = Script::none;
        if (script == Script::none) continue;
        if (word != Script::none && script != word) return c.code;
        word = script;
    }
    return 0;
}

uint32_t invisible_character(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        const Character c = character_at(text, i);
        if (is_invisible(c.code)) return c.code;
        i += c.size;
    }
    return 0;
}

// --- secrets ---

bool is_key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '_' || c == '-' || c == '=';
}

double bits_per_character(std::string_view text) {
    std::array<size_t, 256> count{};
    for (const char c : text) ++count[static_cast<unsigned char>(c)];
    double bits = 0;
    for (const size_t n : count) {
        if (n == 0) continue;
        const double share = static_cast<double>(n) / static_cast<double>(text.size());
        bits -= share * std::log2(share);
    }
    return bits;
}

// Random base64 of 24 bytes and more has above 4 bits a character; names and addresses do not.
bool looks_random(std::string_view text) {
    if (text.size() < 32 || !std::all_of(text.begin(), text.end(), is_key_character)) return false;
    const auto has = [&](char from, char to) {
        return std::any_of(text.begin(), text.end(), [&](char c) { return c >= from && c <= to; });
    };
    return has('a', 'z') && has('A', 'Z') && has('0', '9') && bits_per_character(text) > 4.2;
}

bool is_secret(std::string_view text) {
    for (const std::string_view begin :
         {"sk_live_", "ghp_", "github_pat_", "xoxb-", "xoxp-", "AKIA", "glpat-"}) {
        if (text.starts_with(begin) && text.size() >= begin.size() + 12) return true;
    }
    const bool jwt = text.starts_with("eyJ") && std::count(text.begin(), text.end(), '.') == 2;
    const bool pem = text.find("-----BEGIN ") != std::string_view::npos &&
                     text.find("PRIVATE KEY") != std::string_view::npos;
    return jwt || pem || looks_random(text);
}

class TextChecks : public Walker {
  public:
    explicit TextChecks(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  private:
    void on_text(const std::string& text, Span span) override {
        if (const uint32_t code = mixing_letter(text)) {
            diagnostics_.warning("W113", span, "a word in this text mixes the letters of two scripts",
                                 hexadecimal(code) + " looks like another letter",
                                 "type it again; what is compared are the letters, not their looks");
        } else if (const uint32_t hidden = invisible_character(text)) {
            diagnostics_.warning("W113", span, "this text holds a character that cannot be seen",
                                 hexadecimal(hidden), "type it again, or write it as \\u{…}");
        }
        if (is_secret(text)) {
            diagnostics_.warning("W308", span, "this looks like a key or a token",
                                 "policies are read by many and kept in version control",
                                 "keep secrets in files: `keys = file \"keys/app.jwks\"`");
        }
    }

    Diagnostics& diagnostics_;
};

// In strings and in comments alike: both can make a line look like another.
void check_bidi(const Sources& sources, Diagnostics& diagnostics) {
    for (uint32_t file = 0; file < sources.size(); ++file) {
        const std::string_view text = sources.file(file).text;
        for (size_t at = text.find('\xE2'); at != std::string_view::npos; at = text.find('\xE2', at + 1)) {
            const Character c = character_at(text, at);
            if (!is_bidi_control(c.code)) continue;
            const Span span{file, static_cast<uint32_t>(at), static_cast<uint32_t>(at + c.size)};
            diagnostics.warning("W113", span, "an invisible character changes the order of this line",
                                hexadecimal(c.code), "take it away; what is shown is not what is executed");
        }
    }
}

}  // namespace

void lint_text(LintContext& context) {
    TextChecks(context.diagnostics).walk(context.file);
    check_bidi(context.sources, context.diagnostics);
}

}  // namespace wayleave::dsl
