// JSON Web Keys (RFC 7517) as text: what a JWK or JWKS says about each key, checked, before any key is built.
// Private header of daemon/identity.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_file.h"

namespace wayleave {

constexpr size_t max_kid_bytes = 256;    // of a key
constexpr size_t max_keys = 50;          // that are used
constexpr size_t max_listed_keys = 500;  // in a set

struct Jwk {
    Algorithm algorithm = Algorithm::HS256;
    size_t place = 1;     // in its set
    std::string kid;      // empty if the key has none
    bool secret = false;  // an HMAC secret or a private key: it can sign
    // A JWK object of only the members that make up the key. Certificates and URLs (x5c, x5u) never reach the
    // library, which would take them for the key, or fetch them.
    SecretText public_members;   // without what is private; for HMAC the secret itself
    SecretText private_members;  // empty if the key cannot sign
    SecretText hmac;             // the bytes of an HMAC secret; empty for any other key
};

// A key of a set that is not used: of a kind that we do not know, for another purpose, or broken. Others read
// the same set, so it is no mistake that it is there (RFC 7517, section 5).
struct LeftOutKey {
    size_t place = 1;
    std::string kid;  // as it was written, of any length; empty if it has none that is text
    KeyError why;

    // `key 2 (kid "a")`, harmless for a line of a log.
    [[nodiscard]] std::string name() const;
};

struct Jwks {
    std::vector<Jwk> keys;
    std::vector<LeftOutKey> left_out;
    bool is_set = false;  // not a single JWK
    bool secret = false;  // some key can sign or decrypt, also one that is left out
};

// All keys of a JWKS ("keys") or the one of a single JWK. Error: why it is none; the caller puts the path
// before it.
KeyResult<Jwks> parse_jwks(std::string_view json);

// The same of a JWKS from elsewhere, which a single JWK is not.
KeyResult<Jwks> parse_published_jwks(std::string_view json);
}  // namespace wayleave
