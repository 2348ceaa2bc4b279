// JSON Web Keys (RFC 7517) as text: what a JWK or JWKS says about each key, checked, before any key is built.
// Private header of daemon/identity.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_file.h"
#include "dsl/result.h"

namespace wayleave {

constexpr size_t max_keys = 50;

struct Jwk {
    Algorithm algorithm = Algorithm::HS256;
    std::string kid;      // empty if the key has none
    bool secret = false;  // an HMAC secret or a private key: it can sign
    // A JWK object of only the members that make up the key. Certificates and URLs (x5c, x5u) never reach the
    // library, which would take them for the key, or fetch them.
    SecretText public_members;   // without what is private; for HMAC the secret itself
    SecretText private_members;  // empty if the key cannot sign
};

// All keys of a JWKS ("keys") or the one of a single JWK. Error: what is wrong, naming the key by its place;
// the caller puts the path before it.
Result<std::vector<Jwk>> parse_jwks(std::string_view json);

// A JWKS from elsewhere: keys that we cannot read are counted and left out (RFC 7517, section 5).
Result<std::vector<Jwk>> parse_published_jwks(std::string_view json, size_t& unknown);

// The bytes of an HMAC key's "k".
Result<SecretText> hmac_secret_of(const Jwk& jwk);

}  // namespace wayleave
