// The signature of a compact JWS (RFC 7515). The envelope is checked here, strictly and before any
// cryptography; what the claims mean is claims.h's business.
//
// The JOSE library reads and makes keys, but verification is OpenSSL's. Measured with rhonabwy 1.1.11: it
// compares an HMAC with o_strcmp, which is not constant in time; it inflates a "zip" payload before the
// signature is checked (a token of 5 KB became 4 MB); and it parses the key anew for each token (HS256 2.8 us
// against 0.8).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_set.h"
#include "dsl/text/result.h"

namespace wayleave {

constexpr size_t max_token_bytes = 8192;
constexpr size_t max_keys_tried = 8;  // when the token does not say which key, or several have its kid

enum class TokenError {
    too_long,     // more than max_token_bytes
    malformed,    // not three segments of canonical base64url, or the header is no JSON object
    duplicate,    // a member stands twice in the header
    header,       // a member that changes the meaning of the rest: crit, b64 that is not true, zip, enc
    type,         // typ is neither JWT nor at+jwt
    algorithm,    // alg missing, not allowed, or not the key's
    unknown_key,  // kid missing from the set
    signature,    // no key matches
};

// A sentence for logs, without anything from the token.
[[nodiscard]] std::string_view to_string(TokenError error);

// What a signature vouches for; that it is JSON is not checked here.
struct SignedPayload {
    std::string payload;
    uint64_t key = 0;  // VerifyKey::mark()
};

// Pure and thread-safe; about 1 us for HS256.
Result<SignedPayload, TokenError> verify_signature(const KeySet& keys, std::span<const Algorithm> allowed,
                                                   std::string_view compact_jws);

}  // namespace wayleave
