// The places where a client shows a token, and what can stand there. One judgement for every way in: what a
// handshake could not bring to a place, no `$auth` brings there either. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/policy.h"

namespace wayleave {

// Where a credential is looked for. A block without a `from` is for grants: they come in a message, and a
// backend is shown them as a bearer token.
[[nodiscard]] const dsl::TokenSource& source_of(const std::vector<dsl::TokenSource>& from, uint32_t number);

// Whether a client writes the token there as text. A certificate is shown to TLS and to nothing else.
[[nodiscard]] bool carries_text(const dsl::TokenSource& source);

// Whether this text can stand there: a cookie's octets (RFC 6265 4.1.1), a bearer token's (RFC 6750 2.1, but
// any visible ASCII, since opaque tokens are older than that grammar), a field's value (RFC 9110 5.5), a
// subprotocol's token, or a decoded parameter without control bytes. Never an empty one.
[[nodiscard]] bool can_carry(const dsl::TokenSource& source, std::string_view text);

// The field that shows a cookie or a header to a backend: "Cookie: sid=…". The text is one that can_carry()
// has passed.
[[nodiscard]] std::string header_of(const dsl::TokenSource& source, std::string_view text);

}  // namespace wayleave
