// Counts what the policy limits, for all workers together: rates by GCRA (one 64-bit time a key) and numbers
// of things at one time. A key says what is counted and for whom; it does not say how much is permitted, so
// that a reload never hands out fresh tokens. Thread-safe; striped. Bounded: when full, new keys share one
// strict bucket and are counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace wayleave {

struct LimitAnswer {
    bool pass = true;
    int64_t retry_after_ms = 0;  // when the next one would pass
};

class LimitTable {
  public:
    explicit LimitTable(size_t max_keys = 1 << 20);
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

    // At most `most` at one time. Who got true gives it back with leave().
    [[nodiscard]] bool enter(std::string_view key, int64_t most);
    void leave(std::string_view key);

    // Drops keys that are as good as new. Cheap: one stripe a call; call it at each tick of one thread.
    void forget_idle(int64_t now_ms);

    [[nodiscard]] size_t keys() const;
    [[nodiscard]] uint64_t overflows() const;  // times that a new key found the table full

  private:
    struct Entry {
        int64_t full_again_ns = 0;  // GCRA's theoretical arrival time, in nanoseconds of steady time
        uint32_t rate = 0;          // which it was reckoned at, as a hash
        uint32_t inside = 0;
    };
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(std::string_view key) const;
    [[nodiscard]] Entry look_up(std::string_view key) const;
    void fetch(std::string_view key);
    static LimitAnswer pass(Entry& entry, int64_t count, int64_t period_ms, int64_t burst, int64_t now_ms,
                            int64_t cost);

    std::unique_ptr<Stripe[]> stripes_;
    size_t max_keys_per_stripe_;
    size_t next_to_clean_ = 0;
    const LimitTable* beneath_ = nullptr;
};

}  // namespace wayleave
