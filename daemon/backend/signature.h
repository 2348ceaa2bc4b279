// By which a backend knows that a request comes from its own wayleave: Standard Webhooks 1.0.0
// (standardwebhooks.com), and the header Wayleave-Identity for what it leaves unsigned.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/backend.h"
#include "dsl/text/result.h"

namespace wayleave {

// The value of `webhook-signature`: "v1,BASE64" of each key, with blanks between. HMAC-SHA-256 over
// "id.seconds.body". Nothing if OpenSSL has no HMAC.
[[nodiscard]] Result<std::string> webhook_signature(
    const std::vector<std::shared_ptr<const SecretText>>& keys, std::string_view id, int64_t seconds,
    std::string_view body);

// The value of `Wayleave-Identity`: a JWT of 60 s, HS256 by the first key, with the members of
// `request.identity` and `iss`, `aud` (the backend's name), `jti` (the request's id), `iat`, `exp` and `bsh`,
// the SHA-256 of the body in base64url.
[[nodiscard]] Result<std::string> identity_token(const BackendRequest& request, int64_t seconds);

}  // namespace wayleave
