#include "dsl/policy/pattern.h"

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

bool digit(char c) {
    return c >= '0' && c <= '9';
}
bool lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool hex_digit(char c) {
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

template <class Predicate>
bool all(std::string_view text, Predicate predicate) {
    return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

bool is_uuid(std::string_view s) {
    if (s.size() != 36) return false;
    for (size_t i = 0; i < s.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !hex_digit(s[i])) return false;
    }
    return true;
}

struct CaptureRow {
    CaptureType type;
    std::string_view name;
    std::string_view example;
};
constexpr std::array<CaptureRow, 5> captures{{
    {CaptureType::date, "date", "2027-06-30"},
    {CaptureType::uuid, "uuid", "123e4567-e89b-12d3-a456-426614174000"},
    {CaptureType::integer, "int", "7"},
    {CaptureType::hex, "hex", "beef"},
    {CaptureType::slug, "slug", "a-b"},
}};

}  // namespace

std::optional<CaptureType> capture_type(std::string_view name) {
    for (const CaptureRow& row : captures) {
        if (row.name == name) return row.type;
    }
    return std::nullopt;
}

bool accepts(CaptureType type, std::string_view segment) {
    switch (type) {
        case CaptureType::date: return parse_date(segment).has_value();
        case CaptureType::uuid: return is_uuid(segment);
        case CaptureType::integer: return all(segment, digit) && parse_integer(segment).has_value();
        case CaptureType::hex: return all(segment, hex_digit);
        case CaptureType::slug:
            return all(segment, [](char c) { return lower(c) || digit(c) || c == '-' || c == '_'; });
        case CaptureType::any: return !segment.empty();
    }
    return false;
}

Type value_type(CaptureType type) {
    if (type == CaptureType::integer) return {Kind::integer, Shape::one};
    if (type == CaptureType::date) return {Kind::date, Shape::one};
    return {Kind::string, Shape::one};
}

Value capture_value(CaptureType type, std::string_view segment) {
    if (type == CaptureType::integer) return parse_integer(segment).value_or(0);
    if (type == CaptureType::date) return parse_date(segment).value_or(0);
    return std::string(segment);
}

std::string_view example_of(CaptureType type) {
    for (const CaptureRow& row : captures) {
        if (row.type == type) return row.example;
    }
    return "x";
}

bool within(CaptureType a, CaptureType b) {
    if (a == b || b == CaptureType::any) return true;
    if (b == CaptureType::hex) return a == CaptureType::integer;
    if (b == CaptureType::slug) return a == CaptureType::integer || a == CaptureType::date;
    return false;
}

bool overlap(CaptureType a, CaptureType b) {
    if (within(a, b) || within(b, a)) return true;
    const auto one_of = [&](CaptureType x, CaptureType y) {
        return (a == x && b == y) || (a == y && b == x);
    };
    return one_of(CaptureType::slug, CaptureType::hex) || one_of(CaptureType::slug, CaptureType::uuid);
}

namespace {

bool is_segment_char(char c) {
    return lower(c) || digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-' || c == '~' ||
           c == '@' || c == ':';
}

bool is_dots(std::string_view segment) {
    return segment == "." || segment == "..";
}

// Shows the segment of a value piece by piece, until `see` has seen enough and says false.
template <class See>
void each_piece(std::string_view value, const See& see) {
    constexpr char digits[] = "0123456789ABCDEF";
    const bool dots = is_dots(value);
    for (size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        const auto byte = static_cast<unsigned char>(c);
        const char escaped[3] = {'=', digits[byte >> 4U], digits[byte & 15U]};
        const bool as_it_is = is_segment_char(c) && !dots && !(i == 0 && c == ':');
        if (!see(as_it_is ? value.substr(i, 1) : std::string_view(escaped, sizeof escaped))) return;
    }
}

}  // namespace

bool is_channel_segment(std::string_view segment) {
    if (segment.empty() || is_dots(segment) || segment.front() == ':') return false;
    return std::all_of(segment.begin(), segment.end(), [](char c) { return is_segment_char(c) || c == '='; });
}

void append_segment(std::string& out, std::string_view value) {
    each_piece(value, [&](std::string_view piece) {
        out += piece;
        return true;
    });
}

bool is_segment_of(std::string_view segment, std::string_view value) {
    bool same = !value.empty();
    each_piece(value, [&](std::string_view piece) {
        same = segment.starts_with(piece);
        if (same) segment.remove_prefix(piece.size());
        return same;
    });
    return same && segment.empty();
}

std::optional<ChannelName> split_channel(std::string_view text) {
    if (text.empty() || text.size() > max_channel_bytes) return std::nullopt;
    ChannelName name{text, {}, 0};
    for (;;) {
        const size_t slash = text.find('/');
        const std::string_view segment = text.substr(0, slash);
        if (name.count == max_channel_segments || !is_channel_segment(segment)) return std::nullopt;
        name.segments[name.count++] = segment;
        if (slash == std::string_view::npos) return name;
        text.remove_prefix(slash + 1);
    }
}

namespace {

bool goes_on(char c) {  // within a character of UTF-8
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
}

// The character at that byte, and which one of the text it is.
std::string character_at(std::string_view text, size_t at) {
    const auto number = 1 + std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at),
                                          [](char c) { return !goes_on(c); });
    size_t size = 1;
    while (at + size < text.size() && goes_on(text[at + size])) ++size;
    const std::string_view shown = text.substr(at, size);
    const bool control = static_cast<unsigned char>(shown[0]) < 0x20 || shown[0] == 0x7f;
    return "character " + std::to_string(number) + " is " + (control ? "a control character" : quoted(shown));
}

std::string wrong_segment(std::string_view text, size_t at, std::string_view segment) {
    if (segment.empty()) return at == 0 ? "it begins with a `/`" : "a segment of it is empty";
    if (is_dots(segment)) return "a segment of it is " + quoted(segment);
    for (size_t i = 0; i < segment.size(); ++i) {
        const char c = segment[i];
        if (!is_segment_char(c) && c != '=')
            return character_at(text, at + i) + ", and there may be letters, digits and `._-~@:=`";
    }
    return character_at(text, at) + ", which no segment begins with";
}

}  // namespace

std::string no_channel(std::string_view text) {
    if (text.empty()) return "`channel` is empty";
    const std::string out = "`channel` is no name of a channel";
    if (text.size() > max_channel_bytes)
        return out + ": it has " + std::to_string(text.size()) + " bytes, and at most " +
               std::to_string(max_channel_bytes) + " are possible";
    size_t at = 0;
    for (size_t count = 0; count < max_channel_segments; ++count) {
        const size_t slash = text.find('/', at);
        const std::string_view segment =
            text.substr(at, slash == std::string_view::npos ? slash : slash - at);
        if (!is_channel_segment(segment)) return out + ": " + wrong_segment(text, at, segment);
        if (slash == std::string_view::npos) return out;
        at = slash + 1;
    }
    return out + ": it has more than " + std::to_string(max_channel_segments) + " segments";
}

}  // namespace wayleave::dsl
