// What a connection is called, and where it comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dsl/policy/value.h"

namespace wayleave {

// A connection's number at this worker. The generation tells a connection from its successor in the same
// slot, so that a late event finds nobody instead of a stranger.
struct ConnectionId {
    uint32_t index = 0;
    uint32_t generation = 0;

    friend bool operator==(ConnectionId, ConnectionId) = default;
};

struct Peer {
    dsl::Address ip;
    bool tls = false;            // with us, or as a trusted proxy says
    bool unix_socket = false;    // without an address: ip is ::, unless a trusted proxy says another
    bool serves_clients = true;  // whom the listener is for
    bool serves_api = true;
    uint16_t tls_version = 0;  // with us: 0x0303 is 1.2, 0x0304 is 1.3; 0: unknown, or no TLS
    std::shared_ptr<const std::string> certificate = nullptr;  // the client's, as claims; often null
};

}  // namespace wayleave
