// Tokens whose signature was right a moment ago, by their SHA-256, so that a client that comes again costs a
// hash and not a signature. It holds payloads only: times, claims and single use are judged at each use.
// Thread-safe; striped. Bounded in entries and bytes: the oldest makes room. Refused tokens are not kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/identity/verify.h"

namespace wayleave {

struct TokenCacheBounds {
    size_t entries = 16384;
    size_t bytes = size_t{16} << 20U;  // of payloads
};

class TokenCache {
  public:
    using Key = std::array<unsigned char, 32>;

    explicit TokenCache(TokenCacheBounds bounds = {});
    ~TokenCache();
    TokenCache(const TokenCache&) = delete;
    TokenCache& operator=(const TokenCache&) = delete;

    // `block` tells apart token blocks, which trust different keys, and states of their keys.
    [[nodiscard]] static Key key_of(uint64_t block, std::string_view compact);

    [[nodiscard]] std::optional<SignedPayload> find(const Key& key, int64_t wall_ms);
    // `until_ms`: wall time from which nobody would admit it; 0: no end.
    void add(const Key& key, const SignedPayload& payload, int64_t until_ms, int64_t wall_ms);

    [[nodiscard]] size_t size() const;
    [[nodiscard]] size_t bytes() const;

  private:
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(const Key& key) const;

    std::unique_ptr<Stripe[]> stripes_;
    TokenCacheBounds each_;  // of a stripe
};

}  // namespace wayleave
