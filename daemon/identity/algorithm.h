// The signature algorithms wayleave knows (RFC 7518, RFC 8037). Anything else, "none" above all, has no value
// here and so cannot be asked for, configured or accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wayleave {

enum class Algorithm : uint8_t {
    HS256,  // HMAC with SHA-256, a shared secret of at least 32 bytes
    RS256,  // RSA PKCS#1 v1.5 with SHA-256, at least 2048 bits
    ES256,  // ECDSA on P-256 with SHA-256
    EdDSA,  // Ed25519
};

// The name as it stands in the header of a token; static storage.
[[nodiscard]] std::string_view to_string(Algorithm algorithm);

// Exact and case-sensitive, as RFC 7515 wants it; empty for every other name.
[[nodiscard]] std::optional<Algorithm> algorithm_from(std::string_view name);

}  // namespace wayleave
