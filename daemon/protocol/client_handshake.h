// The opening handshake of a WebSocket (RFC 6455 4.1) where we are the client. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/protocol/response_head.h"

namespace wayleave {

// Of 16 random bytes.
[[nodiscard]] std::string websocket_key(const std::array<uint8_t, 16>& random);

// The request. `headers` are complete lines, each with its CRLF; they and the path hold nothing that was not
// checked. No subprotocol and no extension is offered.
[[nodiscard]] std::string upgrade_request(std::string_view path, std::string_view host, std::string_view key,
                                          std::string_view headers);

struct UpgradeAccepted {
    size_t size = 0;  // of the head; what follows are frames
};
struct UpgradeRefused {
    int status = 0;  // that was answered; 0: what was answered is no HTTP, or no answer to this
    std::optional<int64_t> retry_after_s;  // as it asks, if it is a number
    std::string_view reason;               // static text
};

// What the server has answered to the request with that key.
[[nodiscard]] std::variant<NeedMore, UpgradeAccepted, UpgradeRefused> read_upgrade_answer(
    std::string_view bytes, std::string_view key);

}  // namespace wayleave
