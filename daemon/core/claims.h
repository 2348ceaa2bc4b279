// What a verified token says, read as its `token` block declares it: time, issuer, audience, typed claims.
// Pure; the signature was checked before (identity/verify.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy.h"
#include "dsl/result.h"

namespace wayleave {

constexpr int64_t token_leeway_ms = 60'000;  // for clocks that disagree; it admits, it does not prolong

struct Claims {
    std::vector<dsl::Value> values;  // in the order of TokenDecl::claims
    int64_t expires_ms = 0;          // wall time when a session with this token ends; 0: never
};

// The reason is a sentence for the client; it holds nothing of the token but the names of declared claims.
[[nodiscard]] Result<Claims> read_claims(const dsl::TokenDecl& token, std::string_view payload,
                                         int64_t wall_ms);

}  // namespace wayleave
