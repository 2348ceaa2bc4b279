#include "daemon/ops/settings/value.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

namespace wayleave {

namespace {

using Unit = std::pair<std::string_view, uint64_t>;

// The largest first, so that printing finds the shortest text.
constexpr std::array<Unit, 4> size_units = {
    {{"gb", 1U << 30U}, {"mb", 1U << 20U}, {"kb", 1U << 10U}, {"b", 1U}}};
constexpr std::array<Unit, 4> time_units = {{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr uint64_t largest = std::numeric_limits<int64_t>::max();

std::optional<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    const std::string_view suffix(end, text.size() - static_cast<size_t>(end - text.data()));
    for (const auto& [name, factor] : units) {
        if (suffix != name) continue;
        if (number > largest / factor) return std::nullopt;
        return number * factor;
    }
    return std::nullopt;
}

std::string print_with_unit(uint64_t value, std::span<const Unit> units) {
    for (const auto& [name, factor] : units) {
        if (value != 0 && value % factor == 0) return fmt::format("{}{}", value / factor, name);
    }
    return fmt::format("0{}", units.back().first);
}

std::optional<uint16_t> parse_port(std::string_view text) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return port;
}

bool parse_v4(const std::string& host, SocketAddress& address) {
    in_addr raw{};
    if (inet_pton(AF_INET, host.c_str(), &raw) != 1) return false;
    address.host = host;
    address.loopback = (ntohl(raw.s_addr) >> 24U) == 127;
    return true;
}

// RFC 4007 11: the name of an interface, or its number.
bool is_zone(std::string_view zone) {
    return !zone.empty() && zone.size() < IF_NAMESIZE &&
           std::all_of(zone.begin(), zone.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
}

bool parse_v6(const std::string& host, SocketAddress& address) {
    in6_addr raw{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const size_t percent = std::min(host.find('%'), host.size());
    if (inet_pton(AF_INET6, host.substr(0, percent).c_str(), &raw) != 1) return false;
    const std::string zone = host.substr(percent);
    if (!zone.empty() && (!IN6_IS_ADDR_LINKLOCAL(&raw) || !is_zone(zone.substr(1)))) return false;
    address.host = inet_ntop(AF_INET6, &raw, text.data(), text.size()) + zone;
    const bool mapped_loopback = IN6_IS_ADDR_V4MAPPED(&raw) && raw.s6_addr[12] == 127;
    address.loopback = IN6_IS_ADDR_LOOPBACK(&raw) || mapped_loopback;
    return true;
}

}  // namespace

std::optional<size_t> parse_size(std::string_view text) {
    return parse_with_unit(text, size_units);
}

std::string print_size(size_t bytes) {
    return print_with_unit(bytes, size_units);
}

std::optional<std::chrono::milliseconds> parse_time(std::string_view text) {
    const auto milliseconds = parse_with_unit(text, time_units);
    if (!milliseconds) return std::nullopt;
    return std::chrono::milliseconds(*milliseconds);
}

std::string print_time(std::chrono::milliseconds time) {
    return print_with_unit(static_cast<uint64_t>(time.count()), time_units);
}

std::string SocketAddress::text() const {
    if (host.find(':') == std::string::npos) return fmt::format("{}:{}", host, port);
    return fmt::format("[{}]:{}", host, port);
}

std::optional<SocketAddress> parse_socket_address(std::string_view text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto port = parse_port(text.substr(colon + 1));
    const std::string_view host = text.substr(0, colon);
    if (!port || host.find('\0') != std::string_view::npos) return std::nullopt;

    SocketAddress address;
    address.port = *port;
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    const bool good = bracketed ? parse_v6(std::string(host.substr(1, host.size() - 2)), address)
                                : parse_v4(std::string(host), address);
    if (!good) return std::nullopt;
    return address;
}

bool is_public(std::string_view address) {
    const auto parsed = parse_socket_address(address);
    return parsed && !parsed->loopback;
}

std::string toml_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\u{:04X}", byte);
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

}  // namespace wayleave
