#include "dsl/policy/value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t v4_prefix = 96;  // bits of ::ffff:0:0

std::string v6_text(const Address& address) {
    char out[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, address.bytes.data(), out, sizeof out);
    return out;
}

// inet_pton wants an end mark; a text that is longer than an address can be is none.
template <size_t N>
bool terminated(std::string_view text, char (&out)[N]) {
    if (text.empty() || text.size() >= N || text.find('\0') != std::string_view::npos) return false;
    std::memcpy(out, text.data(), text.size());
    out[text.size()] = '\0';
    return true;
}

Address mapped(const uint8_t (&v4)[4]) {
    Address address;
    address.bytes[10] = address.bytes[11] = 0xFF;
    std::copy(std::begin(v4), std::end(v4), address.bytes.begin() + 12);
    return address;
}

// The bits of byte `i` that belong to the net.
uint8_t mask(uint8_t bits, size_t i) {
    const size_t before = i * 8;
    if (bits >= before + 8) return 0xFF;
    if (bits <= before) return 0;
    return static_cast<uint8_t>(0xFF << (8 - (bits - before)));
}

std::optional<unsigned> decimal(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

void print_into(std::string& out, bool value) {
    out += value ? "true" : "false";
}
void print_into(std::string& out, int64_t value) {
    out += std::to_string(value);
}
void print_into(std::string& out, const Address& value) {
    out += value.text();
}
void print_into(std::string& out, const Net& value) {
    out += value.text();
}

void print_into(std::string& out, double value) {
    char text[32];
    const auto [end, error] = std::to_chars(std::begin(text), std::end(text), value);
    out.append(text, error == std::errc{} ? end : text);
}

// Peers choose some of the text, so nothing in it may steer a terminal or forge a line of a log.
void print_into(std::string& out, const std::string& value) {
    out += '"';
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            (out += '\\') += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            ((out += "\\u{") += hex_digits[byte >> 4]) += hex_digits[byte & 15];
            out += '}';
        } else {
            out += c;
        }
    }
    out += '"';
}

void print_into(std::string& out, const Rate& value) {
    constexpr int64_t kilo = 1024;
    int64_t count = value.count;
    std::string_view unit = value.bytes ? "b" : "";
    if (value.bytes && count != 0 && count % (kilo * kilo) == 0) {
        count /= kilo * kilo, unit = "mb";
    } else if (value.bytes && count != 0 && count % kilo == 0) {
        count /= kilo, unit = "kb";
    }
    out.append(std::to_string(count)).append(unit);
    switch (value.period_ms) {
        case 1000: out += "/s"; break;
        case 60'000: out += "/m"; break;
        case 3'600'000: out += "/h"; break;
        case 86'400'000: out += "/d"; break;
        default: out += "/" + std::to_string(value.period_ms) + "ms"; break;
    }
}

void print_into(std::string& out, const std::vector<Scalar>& values) {
    out += '{';
    for (size_t i = 0; i < values.size(); ++i) {
        out += i == 0 ? " " : ", ";
        std::visit([&](const auto& value) { print_into(out, value); }, values[i]);
    }
    out += values.empty() ? "}" : " }";
}

}  // namespace

bool Address::is_v4() const {
    return std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t b) { return b == 0; }) &&
           bytes[10] == 0xFF && bytes[11] == 0xFF;
}

std::string Address::text() const {
    if (!is_v4()) return v6_text(*this);
    std::string out;
    for (size_t i = 12; i < bytes.size(); ++i) {
        if (i > 12) out += '.';
        out += std::to_string(bytes[i]);
    }
    return out;
}

bool Net::contains(const Address& ip) const {
    for (size_t i = 0; i < ip.bytes.size(); ++i) {
        if (((ip.bytes[i] ^ address.bytes[i]) & mask(bits, i)) != 0) return false;
    }
    return true;
}

Address Net::last() const {
    Address out = address;
    for (size_t i = 0; i < out.bytes.size(); ++i) {
        out.bytes[i] = static_cast<uint8_t>(out.bytes[i] | ~mask(bits, i));
    }
    return out;
}

std::string Net::text() const {
    if (address.is_v4() && bits >= v4_prefix) return address.text() + "/" + std::to_string(bits - v4_prefix);
    return v6_text(address) + "/" + std::to_string(bits);
}

std::string a_type(Type type) {
    const bool vowel = type.shape == Shape::one && (type.kind == Kind::integer || type.kind == Kind::ip);
    return (vowel ? "an " : "a ") + to_string(type);
}

std::string to_string(Type type) {
    constexpr std::string_view kinds[] = {"bool", "int",  "float", "string", "ip",
                                          "net",  "size", "time",  "rate",   "date"};
    constexpr std::string_view shapes[] = {"", "set of ", "list of ", "map of "};
    return std::string(shapes[static_cast<size_t>(type.shape)]).append(kinds[static_cast<size_t>(type.kind)]);
}

Value empty_value(Type type) {
    if (type.shape != Shape::one) return std::vector<Scalar>{};
    switch (type.kind) {
        case Kind::boolean: return false;
        case Kind::floating: return 0.0;
        case Kind::string: return std::string();
        case Kind::ip: return Address{};
        case Kind::net: return Net{};
        case Kind::rate: return Rate{};
        case Kind::integer:
        case Kind::size:
        case Kind::time:
        case Kind::date: break;
    }
    return int64_t{0};
}

Value to_value(Scalar scalar) {
    return std::visit([](auto&& held) { return Value(std::move(held)); }, std::move(scalar));
}

std::string print(const Value& value) {
    std::string out;
    std::visit([&](const auto& held) { print_into(out, held); }, value.held);
    return out;
}

std::optional<Address> parse_address(std::string_view text) {
    char buffer[INET6_ADDRSTRLEN];
    if (!terminated(text, buffer)) return std::nullopt;
    uint8_t v4[4];
    if (inet_pton(AF_INET, buffer, v4) == 1) return mapped(v4);
    Address address;
    if (inet_pton(AF_INET6, buffer, address.bytes.data()) == 1) return address;
    return std::nullopt;
}

std::optional<Net> parse_net(std::string_view text) {
    const size_t slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return Net{*address, 128};
    const std::string_view length = text.substr(slash + 1);
    // `10.0.0.0/8` counts from the IPv4 part, `::ffff:10.0.0.0/104` from the start.
    const unsigned before = text.substr(0, slash).find(':') == std::string_view::npos ? v4_prefix : 0;
    const auto bits = decimal(length);
    if (!bits || *bits > 128 - before || (length.size() > 1 && length.front() == '0')) return std::nullopt;
    return Net{*address, static_cast<uint8_t>(before + *bits)};
}

Net canonical(Net net) {
    for (size_t i = 0; i < net.address.bytes.size(); ++i) {
        net.address.bytes[i] = static_cast<uint8_t>(net.address.bytes[i] & mask(net.bits, i));
    }
    return net;
}

std::optional<int64_t> parse_date(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = decimal(text.substr(0, 4));
    const auto month = decimal(text.substr(5, 2));
    const auto day = decimal(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(*month), std::chrono::day(*day)};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date).time_since_epoch().count();
}

std::optional<int64_t> parse_integer(std::string_view text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace wayleave::dsl
