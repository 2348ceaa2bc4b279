#include "dsl/syntax/literal.h"

#include <charconv>
#include <utility>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

LiteralFault too_large(std::string_view text) {
    return {quoted(text) + " is too large", {}};
}

struct Unit {
    std::string_view text;
    int64_t factor;
};

constexpr Unit size_units[] = {{"b", 1}, {"kb", 1024}, {"mb", 1024 * 1024}};
constexpr Unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

template <size_t N>
int64_t factor_of(std::string_view unit, const Unit (&units)[N]) {
    for (const Unit& known : units) {
        if (known.text == unit) return known.factor;
    }
    return 1;
}

std::optional<int64_t> product(std::string_view digits, int64_t factor) {
    const auto number = parse_integer(digits);
    int64_t out = 0;
    if (!number || __builtin_mul_overflow(*number, factor, &out)) return std::nullopt;
    return out;
}

// "64kb" is 64 and "kb".
std::pair<std::string_view, std::string_view> split_unit(std::string_view text) {
    size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    return {text.substr(0, digits), text.substr(digits)};
}

template <size_t N>
LiteralReading measured(std::string_view text, Kind kind, const Unit (&units)[N]) {
    const auto [digits, unit] = split_unit(text);
    const auto amount = product(digits, factor_of(unit, units));
    LiteralReading out{amount.value_or(0), {kind, Shape::one}, {}};
    if (!amount) out.fault = too_large(text);
    return out;
}

LiteralReading rate(std::string_view text) {
    const size_t slash = text.find('/');
    const auto [digits, unit] = split_unit(text.substr(0, slash));
    const auto count = product(digits, factor_of(unit, size_units));
    const int64_t period = factor_of(text.substr(slash + 1), time_units);
    LiteralReading out{Rate{count.value_or(1), period, !unit.empty()}, {Kind::rate, Shape::one}, {}};
    if (!count) out.fault = too_large(text);
    return out;
}

LiteralReading integer(std::string_view text) {
    const auto number = parse_integer(text);
    LiteralReading out{number.value_or(0), {Kind::integer, Shape::one}, {}};
    if (!number) out.fault = too_large(text);
    return out;
}

LiteralReading floating(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool fits = error == std::errc{} && end == text.data() + text.size();
    LiteralReading out{fits ? number : 0.0, {Kind::floating, Shape::one}, {}};
    if (!fits) out.fault = LiteralFault{quoted(text) + " cannot be held as a number", {}};
    return out;
}

LiteralReading date(std::string_view text) {
    const auto day = parse_date(text);
    LiteralReading out{day.value_or(0), {Kind::date, Shape::one}, {}};
    if (day) return out;
    const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
    out.fault = shaped ? LiteralFault{quoted(text) + " is no day of the calendar", {}}
                       : LiteralFault{quoted(text) + " is no date", "a date is written `2027-06-30`"};
    return out;
}

LiteralReading ip(std::string_view text) {
    const auto address = parse_address(text);
    LiteralReading out{address.value_or(Address{}), {Kind::ip, Shape::one}, {}};
    if (!address) out.fault = LiteralFault{quoted(text) + " is no IP address", {}};
    return out;
}

LiteralReading net(std::string_view text) {
    const auto given = parse_net(text);
    const Net right = canonical(given.value_or(Net{}));
    LiteralReading out{right, {Kind::net, Shape::one}, {}};
    if (!given) {
        out.fault = LiteralFault{quoted(text) + " is no net",
                                 "a net is an address and a length: at most `/32` for IPv4, `/128` for IPv6"};
    } else if (*given != right) {
        out.fault = LiteralFault{quoted(text) + " has bits set behind its length",
                                 "write " + quoted(right.text()) + ", or " + quoted(given->address.text()) +
                                     " for the one address",
                                 0, 0, "E003"};
    }
    return out;
}

LiteralReading string(std::string_view text) {
    auto content = unescape(text);
    LiteralReading out{std::string(), {Kind::string, Shape::one}, {}};
    if (content) {
        out.value = std::move(*content);
    } else {
        out.fault = content.error();
    }
    return out;
}

// `\u{1F600}` at `at`; returns the place behind it.
Result<size_t, LiteralFault> code_point(std::string_view text, size_t at, std::string& out) {
    const size_t close = text.find('}', at);
    const std::string_view digits = text.substr(at, 3) == "\\u{" && close != std::string_view::npos
                                        ? text.substr(at + 3, close - at - 3)
                                        : "";
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.empty() || digits.size() > 6 || error != std::errc{} || end != digits.data() + digits.size()) {
        return failure(LiteralFault{"`\\u` is followed by one to six hexadecimal digits in `{}`",
                                    "like `\\u{e9}` for é", at, 2});
    }
    const size_t length = close + 1 - at;
    if (value == 0) return failure(LiteralFault{"a string cannot hold a NUL", {}, at, length});
    if (!append_utf8(out, value)) {
        return failure(LiteralFault{quoted(text.substr(at, length)) + " is no character", {}, at, length});
    }
    return close + 1;
}

}  // namespace

Result<std::string, LiteralFault> unescape(std::string_view text) {
    std::string out;
    size_t at = 1;
    while (at + 1 < text.size()) {
        const char c = text[at];
        const char next = text[at + 1];
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            return failure(LiteralFault{"a control character in a string",
                                        "write it as `\\t`, `\\n` or `\\u{…}`", at, 1});
        }
        if (c != '\\') {
            out += c;
            ++at;
        } else if (next == 'u') {
            const auto behind = code_point(text, at, out);
            if (!behind) return failure(LiteralFault(behind.error()));
            at = *behind;
        } else if (next == '"' || next == '\\' || next == 'n' || next == 't') {
            out += next == 'n' ? '\n' : next == 't' ? '\t' : next;
            at += 2;
        } else {
            return failure(LiteralFault{"there is no such escape",
                                        "strings know `\\\"`, `\\\\`, `\\n`, `\\t` and `\\u{…}`", at, 2});
        }
    }
    return out;
}

LiteralReading read_literal(NodeKind kind, std::string_view text) {
    switch (kind) {
        case NodeKind::string: return string(text);
        case NodeKind::integer: return integer(text);
        case NodeKind::floating: return floating(text);
        case NodeKind::size: return measured(text, Kind::size, size_units);
        case NodeKind::time: return measured(text, Kind::time, time_units);
        case NodeKind::rate: return rate(text);
        case NodeKind::date: return date(text);
        case NodeKind::ip: return ip(text);
        case NodeKind::net: return net(text);
        default: return {text == "true", {Kind::boolean, Shape::one}, {}};
    }
}

}  // namespace wayleave::dsl
