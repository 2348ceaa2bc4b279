// Making tokens and keys. For `wayleave token`: operators try a policy with them. The daemon itself signs
// only what it says to backends. What names a file blocks; thread: any.
#pragma once

#include <string>
#include <string_view>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_file.h"
#include "dsl/text/result.h"

namespace wayleave {

// A compact JWS over the claims, which must be a JSON object. The key file is an HMAC secret, a private JWK
// or JWKS, or a private PEM key. `kid` picks the key of a JWKS (empty: the first that can sign) and is
// written into the header. Error: "PATH: what is wrong; what to do".
Result<std::string> sign_token(const std::string& key_path, std::string_view claims_json,
                               std::string_view kid);

// Likewise with HS256 and a secret of at least 24 bytes that was read before: see read_webhook_keys().
Result<std::string> sign_token(const SecretText& secret, std::string_view claims_json);

// The text of a JWKS with one new private key, newline at the end. Without a `kid` it is the key's thumbprint
// (RFC 7638), so that two keys never have the same. Secret: the caller writes it with mode 600.
Result<std::string> generate_key(Algorithm algorithm, const std::string& kid = {});

}  // namespace wayleave
