#include "daemon/base/json_text.h"

#include <charconv>
#include <cstdint>

#include "dsl/text/text.h"

namespace wayleave {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

size_t digits_at(std::string_view text, size_t at) {
    const size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - start;
}

// The length of the number that begins there, 0 if it is none by the grammar.
size_t number_at(std::string_view text, size_t at) {
    const size_t start = at;
    if (text[at] == '-') ++at;
    const size_t whole = digits_at(text, at);
    if (whole == 0 || (whole > 1 && text[at] == '0')) return 0;
    at += whole;
    if (at < text.size() && text[at] == '.') {
        const size_t fraction = digits_at(text, at + 1);
        if (fraction == 0) return 0;
        at += 1 + fraction;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        const size_t exponent = digits_at(text, at);
        if (exponent == 0) return 0;
        at += exponent;
    }
    return at - start;
}

template <class T>
bool reads_as(std::string_view number) {
    T value{};
    const char* end = number.data() + number.size();
    const auto result = std::from_chars(number.data(), end, value);
    return result.ec == std::errc() && result.ptr == end;
}

bool can_be_held(std::string_view number) {
    if (number.find_first_of(".eE") != std::string_view::npos) return reads_as<double>(number);
    return number.front() == '-' ? reads_as<int64_t>(number) : reads_as<uint64_t>(number);
}

// XXXX of \uXXXX.
std::optional<uint32_t> unit_at(std::string_view text, size_t at) {
    const std::string_view digits = text.substr(std::min(at, text.size()), 4);
    uint32_t unit = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
    if (digits.size() < 4 || result.ec != std::errc() || result.ptr != digits.data() + 4) return std::nullopt;
    return unit;
}

bool is_high(uint32_t unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(uint32_t unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

struct Quoted {
    size_t size = 0;   // with its quotes
    std::string name;  // what stands for it where it names a member; empty if it is whole
};

// The string that begins there, or nothing if it is none by the grammar. The text is known to be UTF-8.
std::optional<Quoted> string_at(std::string_view text, size_t start) {
    Quoted out;
    std::string name = "\"";
    bool whole = true;
    for (size_t at = start + 1; at < text.size();) {
        const char c = text[at];
        if (c == '"') {
            out.size = at + 1 - start;
            if (!whole) out.name = name + '"';
            return out;
        }
        if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
        size_t size = 1;
        bool half = false;
        if (c == '\\') {
            if (at + 1 == text.size()) return std::nullopt;
            size = 2;
            if (text[at + 1] == 'u') {
                const auto unit = unit_at(text, at + 2);
                if (!unit) return std::nullopt;
                size = 6;
                const auto next =
                    is_high(*unit) && text.substr(at + 6, 2) == "\\u" ? unit_at(text, at + 8) : std::nullopt;
                const bool pair = next && is_low(*next);
                if (pair) size = 12;
                half = !pair && (is_high(*unit) || is_low(*unit));
            } else if (std::string_view("\"\\/bfnrt").find(text[at + 1]) == std::string_view::npos) {
                return std::nullopt;
            }
        }
        if (half) {
            name += "\\u0000";
            for (const char digit : text.substr(at + 2, 4))
                name += digit >= 'A' && digit <= 'F' ? static_cast<char>(digit - 'A' + 'a') : digit;
            whole = false;
        } else {
            name += text.substr(at, size);
        }
        at += size;
    }
    return std::nullopt;
}

bool names_member(std::string_view rest) {
    const size_t next = rest.find_first_not_of(" \t\n\r");
    return next != std::string_view::npos && rest[next] == ':';
}

}  // namespace

std::optional<std::string> representable_json(std::string_view text) {
    // What is replaced is seen by no parser after us.
    if (dsl::first_invalid_utf8(text) != std::string_view::npos) return std::nullopt;
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '"') {
            const auto string = string_at(text, at);
            if (!string) return std::nullopt;
            const std::string_view raw = text.substr(at, string->size);
            at += string->size;
            if (string->name.empty())
                out += raw;
            else
                out += names_member(text.substr(at)) ? std::string_view(string->name) : "null";
        } else if (c == '-' || is_digit(c)) {
            const size_t size = number_at(text, at);
            if (size == 0) return std::nullopt;
            const std::string_view number = text.substr(at, size);
            out += can_be_held(number) ? number : "null";
            at += size;
        } else {
            out += c;
            ++at;
        }
    }
    return out;
}

simdjson::error_code parse_json_again(simdjson::dom::parser& parser, std::string_view text,
                                      simdjson::error_code error, simdjson::dom::element& root) {
    if (error != simdjson::NUMBER_ERROR && error != simdjson::STRING_ERROR) return error;
    const auto held = representable_json(text);
    return held ? parser.parse(*held).get(root) : error;
}

simdjson::error_code parse_json(simdjson::dom::parser& parser, std::string_view text,
                                simdjson::dom::element& root) {
    const auto error = parser.parse(text.data(), text.size()).get(root);
    return parse_json_again(parser, text, error, root);
}

}  // namespace wayleave
