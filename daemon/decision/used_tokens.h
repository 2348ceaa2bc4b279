// Which tokens of `single_use` blocks were used, for all workers together. It outlasts reloads. Thread-safe;
// striped. Bounded: when it is full, nobody comes in with such a token until others have expired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace wayleave {

class UsedTokens {
  public:
    enum class Use : uint8_t {
        first,
        again,  // it was used before
        full,   // nobody can tell later that it was: as good as used
    };

    explicit UsedTokens(size_t most = size_t{1} << 20U);
    ~UsedTokens();
    UsedTokens(const UsedTokens&) = delete;
    UsedTokens& operator=(const UsedTokens&) = delete;

    // Whether it was used, without using it. `block` is the name of the token block, `id` the token's jti.
    [[nodiscard]] bool was_used(std::string_view block, std::string_view id, int64_t wall_ms) const;
    // Exactly one caller gets `first`. After `until_ms` (wall time) no copy of the token would be admitted,
    // and it is forgotten.
    [[nodiscard]] Use use(std::string_view block, std::string_view id, int64_t until_ms, int64_t wall_ms);

    [[nodiscard]] size_t size() const;
    [[nodiscard]] uint64_t replays() const;  // uses that were refused since the token was used before
    [[nodiscard]] uint64_t full() const;     // uses that were refused since the table was full

  private:
    struct Stripe;
    std::unique_ptr<Stripe[]> stripes_;
    size_t most_per_stripe_;
};

}  // namespace wayleave
