// What a verified token says, read as its `token` block declares it: time, issuer, audience, typed claims.
// Pure; the signature was checked before (identity/verify.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

constexpr int64_t token_leeway_ms = 60'000;  // for clocks that disagree; it admits, it does not prolong

constexpr size_t most_claim_bytes = 4096;  // of one claim, all its elements together

struct Claims {
    std::vector<dsl::Value> values;  // in the order of TokenDecl::claims
    int64_t expires_ms = 0;          // wall time when a session with this token ends; 0: never
    std::string id;                  // the jti, of a token for one use
    int64_t until_ms = 0;            // likewise: wall time from which no copy of it would be admitted
};

// The reason is a sentence for the client; it holds nothing of the token but the names of declared claims.
[[nodiscard]] Result<Claims> read_claims(const dsl::TokenDecl& token, std::string_view payload,
                                         int64_t wall_ms);

// Whom a payload names, whatever else is wrong with it; empty if nobody.
[[nodiscard]] std::string user_in(const dsl::TokenDecl& token, std::string_view payload);

// The exp of a payload in milliseconds; 0 if it has none, nothing if it is none or stands there twice.
[[nodiscard]] std::optional<int64_t> expiry_of(std::string_view payload);

}  // namespace wayleave
