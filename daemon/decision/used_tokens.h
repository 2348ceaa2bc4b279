// Which tokens of `single_use` blocks were used, for all workers together. It outlasts reloads. Thread-safe;
// striped. Bounded: when it is full, nobody comes in with such a token until others have expired. Where nodes
// have their tokens in common those decide, and the table only knows what was used here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "daemon/decision/proof.h"
#include "daemon/message/token_use.h"

namespace wayleave {

class Commons;

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

    // Before the workers start; borrowed. From then on use_everywhere() decides.
    void share(Commons& commons) { commons_.store(&commons, std::memory_order_release); }
    [[nodiscard]] bool shared() const { return commons_.load(std::memory_order_acquire) != nullptr; }
    // Good: it is this asker's. `done` is called once, by any thread, and perhaps before this returns.
    void use_everywhere(const TokenUse& use, int64_t wall_ms, std::function<void(Proof)> done);

    [[nodiscard]] size_t size() const;
    [[nodiscard]] uint64_t replays() const;  // uses that were refused since the token was used before
    [[nodiscard]] uint64_t full() const;     // uses that were refused since the table was full

  private:
    struct Stripe;
    std::unique_ptr<Stripe[]> stripes_;
    size_t most_per_stripe_;
    std::atomic<Commons*> commons_{nullptr};
    std::atomic<uint64_t> replays_elsewhere_{0};
};

}  // namespace wayleave
