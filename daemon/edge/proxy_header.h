// The header of HAProxy's PROXY protocol, versions 1 and 2: who is behind the proxy, told before the client's
// first byte. Pure. Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "dsl/policy/value.h"

namespace wayleave {

struct ProxyHeader {
    // None: the proxy speaks for itself (LOCAL). Unspecified: it does not say for whom (UNKNOWN).
    std::optional<dsl::Address> source;
    bool tls = false;  // version 2: the client used TLS with the proxy
    size_t size = 0;   // bytes of the header
};
struct ProxyNeedMore {};
struct ProxyRefusal {
    std::string_view reason;  // static text
};
using ProxyResult = std::variant<ProxyNeedMore, ProxyHeader, ProxyRefusal>;

// Longer ones are refused: 16 bytes, addresses, and room for the extensions that proxies send.
constexpr size_t max_proxy_header = 1024;

// `bytes` is all that arrived. Refuses as soon as it cannot become a header.
[[nodiscard]] ProxyResult parse_proxy_header(std::string_view bytes);

}  // namespace wayleave
