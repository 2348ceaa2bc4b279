#include "daemon/core/limits.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>

#include "daemon/core/string_map.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;
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

}  // namespace

// The rule itself (ITU-T I.371, virtual scheduling): an event passes if it is not more than `slack` early.
LimitAnswer LimitTable::pass(Entry& entry, int64_t count, int64_t period_ms, int64_t burst, int64_t now_ms,
                             int64_t cost) {
    const Pace pace{std::max<int64_t>(1, count), period_ms * ns_a_ms};
    const int64_t now = now_ms * ns_a_ms;
    const int64_t most = std::max<int64_t>(1, burst);
    const int64_t full = pace.of(most);
    // What was used under another rate, before a reload, is no more than a full burst under this one.
    if (const uint32_t rate = pace.name(most); entry.rate != rate) {
        entry.rate = rate;
        entry.full_again_ns = std::min(entry.full_again_ns, now + full);
    }
    const int64_t slack = full - pace.of(std::min(cost, most));
    const int64_t expected = std::max(entry.full_again_ns, now);
    if (expected - now > slack) return {false, (expected - now - slack + ns_a_ms - 1) / ns_a_ms};
    entry.full_again_ns = expected + pace.of(cost);
    return {};
}

struct alignas(64) LimitTable::Stripe {
    std::mutex mutex;
    StringMap<Entry> entries;
    Entry overflow;
    std::atomic<size_t> size{0};
    std::atomic<uint64_t> overflows{0};

    // With the mutex held.
    Entry& entry(std::string_view key, size_t most) {
        if (const auto it = entries.find(key); it != entries.end()) return it->second;
        if (entries.size() >= most) {
            overflows.fetch_add(1, std::memory_order_relaxed);
            return overflow;
        }
        Entry& fresh = entries[std::string(key)];
        size.store(entries.size(), std::memory_order_relaxed);
        return fresh;
    }
};

LimitTable::LimitTable(size_t max_keys)
    : stripes_(std::make_unique<Stripe[]>(stripes)),
      max_keys_per_stripe_(std::max<size_t>(1, max_keys / stripes)) {}

LimitTable::LimitTable(const LimitTable* beneath) : LimitTable(size_t{1} << 16U) {
    beneath_ = beneath;
}

LimitTable::~LimitTable() = default;

LimitTable::Stripe& LimitTable::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, stripes)];
}

LimitTable::Entry LimitTable::look_up(std::string_view key) const {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.entries.find(key);
    if (it != stripe.entries.end()) return it->second;
    if (beneath_) return beneath_->look_up(key);
    return stripe.entries.size() < max_keys_per_stripe_ ? Entry{} : stripe.overflow;
}

// Before a scratch table changes an entry.
void LimitTable::fetch(std::string_view key) {
    if (!beneath_) return;
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    if (!stripe.entries.contains(key)) stripe.entries[std::string(key)] = beneath_->look_up(key);
}

LimitAnswer LimitTable::take(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                             int64_t now_ms, int64_t cost) {
    fetch(key);
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    return pass(stripe.entry(key, max_keys_per_stripe_), count, period_ms, burst, now_ms,
                std::max<int64_t>(0, cost));
}

int64_t LimitTable::left(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                         int64_t now_ms) const {
    const Pace pace{std::max<int64_t>(1, count), period_ms * ns_a_ms};
    const int64_t used = std::max<int64_t>(0, look_up(key).full_again_ns - now_ms * ns_a_ms);
    const int64_t step = pace.of(1);
    const int64_t taken = (used + step - 1) / step;
    return std::max<int64_t>(0, std::max<int64_t>(1, burst) - taken);
}

int64_t LimitTable::inside(std::string_view key) const {
    return look_up(key).inside;
}

bool LimitTable::enter(std::string_view key, int64_t most) {
    fetch(key);
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    Entry& entry = stripe.entry(key, max_keys_per_stripe_);
    // The overflow bucket is never entered: who would leave it? Refusing is the safe side.
    if (&entry == &stripe.overflow || entry.inside >= most) return false;
    ++entry.inside;
    return true;
}

void LimitTable::leave(std::string_view key) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.entries.find(key);
    if (it != stripe.entries.end() && it->second.inside > 0) --it->second.inside;
}

void LimitTable::forget_idle(int64_t now_ms) {
    Stripe& stripe = stripes_[next_to_clean_++ % stripes];
    const std::lock_guard lock(stripe.mutex);
    absl::erase_if(stripe.entries, [&](const auto& item) {
        return item.second.inside == 0 && item.second.full_again_ns <= now_ms * ns_a_ms;
    });
    stripe.size.store(stripe.entries.size(), std::memory_order_relaxed);
}

size_t LimitTable::keys() const {
    size_t sum = 0;
    for (size_t i = 0; i < stripes; ++i) sum += stripes_[i].size.load(std::memory_order_relaxed);
    return sum;
}

uint64_t LimitTable::overflows() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < stripes; ++i) sum += stripes_[i].overflows.load(std::memory_order_relaxed);
    return sum;
}

}  // namespace wayleave
