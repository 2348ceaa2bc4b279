#include "daemon/ops/token_verifier.h"

#include "daemon/identity/verify.h"

namespace wayleave {

Result<std::string, std::string_view> KeyFileVerifier::verify(size_t token, std::string_view compact) const {
    const TokenKeys& keys = tokens_.at(token);
    auto payload = verify_signature(keys.keys, keys.allowed, compact);
    if (!payload) return failure(to_string(payload.error()));
    return std::move(*payload);
}

}  // namespace wayleave
