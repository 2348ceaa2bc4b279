// A host and a port, as a Host field, the target of a request or an admin writes them (RFC 3986 3.2): every
// spelling of one address becomes the same value, and what is no address is refused. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wayleave {

struct Authority {
    std::string name;              // lower case, without the root's dot; "10.0.0.1", "[2001:db8::1]"
    std::optional<uint16_t> port;  // an empty one is none

    [[nodiscard]] std::string text() const;  // "app.example.com:8443"

    friend bool operator==(const Authority&, const Authority&) = default;
};

// A name of letters, digits, `-` and `_`, an IPv4 address in dotted decimals, or an IPv6 address in brackets.
// Refused: users, percent-encoding, empty labels, and a name whose last label is a number but which is no
// address so written (127.1, 0x7f.0.0.1), since programs disagree about whom that names.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text);

}  // namespace wayleave
