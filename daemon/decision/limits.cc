#include "daemon/decision/limits.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>

#include "daemon/base/string_map.h"
#include "daemon/decision/rate_table.h"

namespace wayleave {
namespace {

constexpr size_t limit_stripes = 64;
constexpr int64_t ns_a_ms = 1'000'000;

__extension__ using Wide = __int128;

// How long `n` events take at a rate, in nanoseconds. Bounded by centuries, so that sums do not overflow.
struct Pace {
    int64_t count;
    int64_t period_ns;

    [[nodiscard]] int64_t of(int64_t n) const {
        constexpr int64_t longest = INT64_MAX / 4;
        int64_t product = 0;
        if (!__builtin_mul_overflow(n, period_ns, &product))
            return std::clamp<int64_t>(product / count, 1, longest);
        const Wide wide = static_cast<Wide>(n) * period_ns / count;
        return wide > longest ? longest : static_cast<int64_t>(wide);
    }
    [[nodiscard]] uint32_t name(int64_t burst) const {
        const auto mixed = static_cast<uint64_t>(count) * 0x9e3779b97f4a7c15U +
                           static_cast<uint64_t>(period_ns) * 0xbf58476d1ce4e5b9U +
                           static_cast<uint64_t>(burst) * 0x94d049bb133111ebU;
        return static_cast<uint32_t>(mixed >> 32) | 1U;
    }
};

// The rule itself (ITU-T I.371, virtual scheduling): an event passes if it is not more than `slack` early.
LimitAnswer pass(LimitTable::Rate& rate, int64_t count, int64_t period_ms, int64_t burst, int64_t now_ms,
                 int64_t cost) {
    const Pace pace{std::max<int64_t>(1, count), period_ms * ns_a_ms};
    const int64_t now = now_ms * ns_a_ms;
    const int64_t most = std::max<int64_t>(1, burst);
    const int64_t full = pace.of(most);
    // What was used under another rate, before a reload, is no more than a full burst under this one.
    if (const uint32_t name = pace.name(most); rate.name != name) {
        rate.name = name;
        rate.full_again_ns = std::min(rate.full_again_ns, now + full);
    }
    const int64_t slack = full - pace.of(std::min(cost, most));
    const int64_t expected = std::max(rate.full_again_ns, now);
    if (expected - now > slack) return {false, (expected - now - slack + ns_a_ms - 1) / ns_a_ms};
    rate.full_again_ns = expected + pace.of(cost);
    return {};
}

}  // namespace

struct alignas(64) LimitTable::Stripe {
    std::mutex mutex;
    RateTable rates;
    StringMap<int64_t> inside;  // what is 0 is not there; of a scratch table what differs from beneath
    std::atomic<size_t> size{0};
    std::atomic<uint64_t> evictions{0};

    // With the mutex held.
    void note_size() { size.store(rates.size() + inside.size(), std::memory_order_relaxed); }
};

LimitTable::LimitTable(size_t most_rates)
    : stripes_(std::make_unique<Stripe[]>(limit_stripes)),
      most_per_stripe_(std::max<size_t>(1, most_rates / limit_stripes)) {}

LimitTable::LimitTable(const LimitTable* beneath) : LimitTable(size_t{1} << 16U) {
    beneath_ = beneath;
}

LimitTable::~LimitTable() = default;

LimitTable::Stripe& LimitTable::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, limit_stripes)];
}

LimitTable::Rate LimitTable::rate_of(std::string_view key) const {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    if (const Rate* known = stripe.rates.find(key)) return *known;
    return beneath_ ? beneath_->rate_of(key) : Rate{};
}

LimitAnswer LimitTable::take(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                             int64_t now_ms, int64_t cost) {
    const Rate before = beneath_ ? rate_of(key) : Rate{};
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    bool evicted = false;
    Rate& rate = stripe.rates.fetch(key, most_per_stripe_, evicted);
    if (beneath_) rate = before;
    if (evicted) stripe.evictions.fetch_add(1, std::memory_order_relaxed);
    stripe.note_size();
    return pass(rate, count, period_ms, burst, now_ms, std::max<int64_t>(0, cost));
}

int64_t LimitTable::left(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                         int64_t now_ms) const {
    const Pace pace{std::max<int64_t>(1, count), period_ms * ns_a_ms};
    const int64_t used = std::max<int64_t>(0, rate_of(key).full_again_ns - now_ms * ns_a_ms);
    const int64_t step = pace.of(1);
    const int64_t taken = (used + step - 1) / step;
    return std::max<int64_t>(0, std::max<int64_t>(1, burst) - taken);
}

int64_t LimitTable::inside(std::string_view key) const {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.inside.find(key);
    return (it == stripe.inside.end() ? 0 : it->second) + (beneath_ ? beneath_->inside(key) : 0);
}

bool LimitTable::enter(std::string_view key, int64_t most) {
    const int64_t before = beneath_ ? beneath_->inside(key) : 0;
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.inside.find(key);
    if (before + (it == stripe.inside.end() ? 0 : it->second) >= most) return false;
    if (it == stripe.inside.end()) {
        stripe.inside.emplace(std::string(key), 1);
        stripe.note_size();
    } else {
        ++it->second;
    }
    return true;
}

void LimitTable::leave(std::string_view key) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.inside.find(key);
    if (it == stripe.inside.end()) {
        if (beneath_) stripe.inside.emplace(std::string(key), -1);
    } else if (--it->second == 0) {
        stripe.inside.erase(it);
    }
    stripe.note_size();
}

void LimitTable::forget_idle(int64_t now_ms) {
    Stripe& stripe = stripes_[next_to_clean_++ % limit_stripes];
    const std::lock_guard lock(stripe.mutex);
    stripe.rates.forget_idle(now_ms * ns_a_ms);
    stripe.note_size();
}

size_t LimitTable::keys() const {
    size_t sum = 0;
    for (size_t i = 0; i < limit_stripes; ++i) sum += stripes_[i].size.load(std::memory_order_relaxed);
    return sum;
}

uint64_t LimitTable::evictions() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < limit_stripes; ++i) sum += stripes_[i].evictions.load(std::memory_order_relaxed);
    return sum;
}

}  // namespace wayleave
