// Where a client really comes from when a proxy stands between: what trusted proxies say in X-Forwarded-For
// (de facto) or Forwarded (RFC 7239). Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/protocol/http_head.h"
#include "dsl/policy/value.h"

namespace wayleave {

enum class ForwardedHeader : uint8_t { none, x_forwarded_for, forwarded };

struct Origination {
    dsl::Address ip;  // unspecified (::) where nobody can say: the peer of a Unix socket, an unknown client
    bool tls = false;
    bool unix_socket = false;  // the peer of a Unix socket
    bool unknown = false;      // a trusted proxy does not say from whom the request is
};

struct ProxyTrust {
    std::vector<dsl::Net> networks;
    ForwardedHeader header = ForwardedHeader::none;
    bool unix_sockets = false;  // whoever comes by one
    bool proto = false;         // X-Forwarded-Proto is read

    [[nodiscard]] bool trusts(const dsl::Address& address) const;
    [[nodiscard]] bool trusts_peer(const dsl::Address& address, bool unix_socket) const {
        return unix_socket ? unix_sockets : trusts(address);
    }
};

// The hop nearest to us that is not trusted: each proxy appends whom it heard, so what stands to the left of
// an untrusted hop is that hop's own word. A hop that is no address ends the walk: then the client is
// unknown, and never the proxy that reported it. A zone (`fe80::1%eth0`) is the proxy's, and left out. With
// Forwarded, `proto` of the client's hop tells whether it used TLS. X-Forwarded-Proto has no hops: it is the
// nearest proxy's word if there is one field with one scheme, and else says nothing.
[[nodiscard]] Origination client_behind(const Origination& peer, const HttpHead& head,
                                        const ProxyTrust& trust);

}  // namespace wayleave
