#include "daemon/protocol/authority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/base/ascii.h"

namespace wayleave {
namespace {

constexpr size_t longest_name = 255;  // RFC 1035 2.3.4

bool is_label_char(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '-' || c == '_';
}

// All spellings of one IPv6 address are one text (RFC 5952).
std::optional<std::string> v6_name(std::string_view address) {
    std::array<unsigned char, 16> bytes{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const std::string written(address);
    if (inet_pton(AF_INET6, written.c_str(), bytes.data()) != 1) return std::nullopt;
    if (inet_ntop(AF_INET6, bytes.data(), text.data(), text.size()) == nullptr) return std::nullopt;
    return "[" + std::string(text.data()) + "]";
}

// What a resolver might take for an IPv4 address, in whatever notation.
bool ends_in_number(std::string_view name) {
    const std::string_view last = name.substr(name.rfind('.') + 1);
    return std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x");
}

std::optional<std::string> registered_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);  // the root; RFC 3986 3.2.2: the same name
    if (text.empty() || text.size() > longest_name) return std::nullopt;
    std::string name;
    for (const char c : text) {
        const bool empty_label = c == '.' && (name.empty() || name.back() == '.');
        if ((c != '.' && !is_label_char(c)) || empty_label) return std::nullopt;
        name += lower(c);
    }
    if (name.back() == '.') return std::nullopt;
    std::array<unsigned char, 4> bytes{};
    if (ends_in_number(name) && inet_pton(AF_INET, name.c_str(), bytes.data()) != 1) return std::nullopt;
    return name;
}

}  // namespace

std::string Authority::text() const {
    return port ? name + ":" + std::to_string(*port) : name;
}

std::optional<Authority> parse_authority(std::string_view text) {
    size_t end = text.find(':');
    const bool bracketed = text.starts_with('[');
    if (bracketed) {
        const size_t close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        end = close + 1;
    }
    end = std::min(end, text.size());
    auto name = bracketed ? v6_name(text.substr(1, end - 2)) : registered_name(text.substr(0, end));
    if (!name) return std::nullopt;
    Authority out{std::move(*name), std::nullopt};
    if (end == text.size()) return out;
    if (text[end] != ':') return std::nullopt;
    const std::string_view digits = text.substr(end + 1);
    if (digits.empty()) return out;
    uint16_t port = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || stop != digits.data() + digits.size()) return std::nullopt;
    out.port = port;
    return out;
}

}  // namespace wayleave
