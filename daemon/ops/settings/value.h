// The texts of single settings: sizes, times, addresses. Private to this folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

// "128kb": b, kb, mb, gb with 1kb = 1024 bytes, as in the policy language. Empty if it is none or overflows.
[[nodiscard]] std::optional<size_t> parse_size(std::string_view text);
[[nodiscard]] std::string print_size(size_t bytes);

// "10s": ms, s, m, h. Empty if it is none or overflows.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_time(std::string_view text);
[[nodiscard]] std::string print_time(std::chrono::milliseconds time);

struct SocketAddress {
    std::string host;   // canonical IPv4 or IPv6, without brackets
    uint16_t port = 0;  // 0: the kernel chooses
    bool loopback = false;

    [[nodiscard]] std::string text() const;  // "127.0.0.1:8080", "[::1]:8080"
};

// Numeric addresses only: a name would have to be looked up, and may have several.
[[nodiscard]] std::optional<SocketAddress> parse_socket_address(std::string_view text);

// "127.0.0.1:8080" that can be reached from other machines; false for what is no such address.
[[nodiscard]] bool is_public(std::string_view address);

// As a TOML basic string.
[[nodiscard]] std::string toml_string(std::string_view text);

}  // namespace wayleave
