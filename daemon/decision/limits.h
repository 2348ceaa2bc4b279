// Counts what the policy limits, for all workers together: rates by GCRA (one 64-bit time a key) and numbers
// of things at one time. A key says what is counted and for whom, its first 8 bytes by which limit; it does
// not say how much is permitted, so that a reload never hands out fresh tokens. Thread-safe; striped.
//
// Peers choose parts of the keys, so rates are bounded: when the table is full, a new key takes the place of
// one that is nearest to being as good as new, of the limit that has the most. A peer that makes names up
// thereby drives out names that it made up. A key that is inside belongs to a live connection, and is never
// driven out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace wayleave {

struct LimitAnswer {
    bool pass = true;
    int64_t retry_after_ms = 0;  // when the next one would pass
};

class LimitTable {
  public:
    // `most_rates` bounds the keys of rates.
    explicit LimitTable(size_t most_rates = 1 << 20);
    // A scratch table over another: it starts with what the other has counted and changes nothing there.
    // Borrows it.
    explicit LimitTable(const LimitTable* beneath);
    ~LimitTable();
    LimitTable(const LimitTable&) = delete;
    LimitTable& operator=(const LimitTable&) = delete;

    // `count` in `period_ms`, and `burst` of them at once; takes `cost` of them. What costs more than the
    // burst passes when nothing else was taken, and is paid for by those that follow. Time is steady.
    [[nodiscard]] LimitAnswer take(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                                   int64_t now_ms, int64_t cost = 1);

    // How many would pass now, without taking any. Between 0 and `burst`.
    [[nodiscard]] int64_t left(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                               int64_t now_ms) const;
    // How many have entered and not left.
    [[nodiscard]] int64_t inside(std::string_view key) const;

    // At most `most` at one time. A caller that got true gives it back with leave().
    [[nodiscard]] bool enter(std::string_view key, int64_t most);
    void leave(std::string_view key);

    // Before the workers start: who is inside is counted by all nodes, too.
    void count_everywhere() { everywhere_ = true; }
    [[nodiscard]] bool counts_everywhere() const { return everywhere_; }

    // Drops keys that are as good as new. Cheap: one stripe a call; call it at each tick of one thread.
    void forget_idle(int64_t now_ms);

    [[nodiscard]] size_t keys() const;         // of rates and of what is inside
    [[nodiscard]] uint64_t evictions() const;  // times that a new key took the place of another

    // What is known of one key's rate. Public for the table's own parts.
    struct Rate {
        int64_t full_again_ns = 0;  // GCRA's theoretical arrival time, in nanoseconds of steady time
        uint32_t name = 0;          // which rate it was reckoned at, as a hash
    };

  private:
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(std::string_view key) const;
    [[nodiscard]] Rate rate_of(std::string_view key) const;

    std::unique_ptr<Stripe[]> stripes_;
    size_t most_per_stripe_;
    size_t next_to_clean_ = 0;
    const LimitTable* beneath_ = nullptr;
    bool everywhere_ = false;
};

}  // namespace wayleave
