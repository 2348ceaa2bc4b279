// The negotiation of permessage-deflate (RFC 7692 5 and 7.1). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/protocol/http_head.h"

namespace wayleave {

// What is agreed on. Both sides forget after each message: a publication is compressed once for all who hear
// it, and a connection that is silent costs nothing.
struct DeflateTerms {
    uint8_t window_bits = 15;       // of what we send
    bool window_was_asked = false;  // the client named it, so the answer does
};

struct ExtensionOffers {
    bool well_formed = true;            // false: RFC 6455 9.1 fails the handshake
    std::optional<DeflateTerms> terms;  // of the first offer that can be accepted
};

// An offer with a parameter that is unknown, stands twice or has a value that it cannot have is declined
// (7.1), and the next one is looked at.
[[nodiscard]] ExtensionOffers read_extension_offers(const HttpHead& head);

// The value of Sec-WebSocket-Extensions in the answer.
[[nodiscard]] std::string deflate_answer(const DeflateTerms& terms);

}  // namespace wayleave
