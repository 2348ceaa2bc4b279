// The opening handshake of a WebSocket (RFC 6455 4.2), from a parsed head to the bytes of the answer, and the
// writing of any other HTTP response. Pure functions; the head and what it views belong to the caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/protocol/deflate_offer.h"
#include "daemon/protocol/http_head.h"

namespace wayleave {

// A request that may be answered with 101. Views into the head's buffer.
struct Upgrade {
    std::string_view key;     // 24 characters, canonical base64 of 16 bytes
    std::string_view origin;  // as sent, not judged here; "null" is a value like any other
    bool has_origin = false;
    std::vector<std::string_view> protocols;  // offered, in the client's order; at most 16, no two the same
    std::optional<DeflateTerms> deflate;      // what the client offers that we can accept
};

struct HandshakeRefusal {
    int status;                 // 400, 405 (send Allow: GET), 426, 501
    std::string_view reason;    // static text
    bool version_hint = false;  // send Sec-WebSocket-Version: 13 (RFC 6455 4.2.2, item 4)
    bool not_upgrade =
        false;  // it does not ask for WebSocket: an ordinary request, which another endpoint may serve
};

// The policy judges Origin, protocols, and whether there is compression.
[[nodiscard]] std::variant<Upgrade, HandshakeRefusal> check_upgrade(const HttpHead& head);

// Sec-WebSocket-Accept for a key that check_upgrade passed. Throws only when OpenSSL has no SHA-1 to give.
[[nodiscard]] std::string accept_key(std::string_view key);

// The 101 response. `protocol` is one that was offered and is configured, or empty for none; `extensions` is
// what deflate_answer() gives, or empty.
[[nodiscard]] std::string switching_protocols(std::string_view accept, std::string_view protocol,
                                              std::string_view extensions = {});

// RFC 9110 15; empty for a status that we do not send.
[[nodiscard]] std::string_view reason_phrase(int status);

// A complete response that no cache may keep. `extra_headers` are complete lines, each with its CRLF; they
// and `content_type` (empty: no such field) are our own text, never the peer's. 204 and 304 have no body. A
// 426 gets the Upgrade field that RFC 9110 15.5.22 asks for.
[[nodiscard]] std::string http_response(int status, std::string_view content_type, std::string_view body,
                                        std::string_view extra_headers, bool keep_alive);

// Only its head, for a body of `length` bytes that is sent from elsewhere, or not at all (HEAD).
[[nodiscard]] std::string http_response_head(int status, std::string_view content_type, size_t length,
                                             std::string_view extra_headers, bool keep_alive,
                                             std::string_view cache_control = "no-store");

}  // namespace wayleave
