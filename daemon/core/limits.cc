#include "daemon/core/limits.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>

#include "daemon/core/string_map.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;

}  // namespace

// The rule itself (ITU-T I.371, virtual scheduling): an event passes if it is not more than `slack` early.
LimitAnswer LimitTable::pass(Entry& entry, int64_t count, int64_t period_ms, int64_t burst, int64_t now_ms) {
    const int64_t now_us = now_ms * 1000;
    const int64_t step = std::max<int64_t>(1, period_ms * 1000 / std::max<int64_t>(1, count));
    const int64_t most_steps = INT64_MAX / 4 / step;  // centuries: more would overflow
    const int64_t slack = step * std::min(std::max<int64_t>(1, burst) - 1, most_steps);
    // What was used under a slower rate, before a reload, is no more than a full burst under this one.
    entry.full_again_us = std::min(entry.full_again_us, now_us + slack + step);
    const int64_t expected = std::max(entry.full_again_us, now_us);
    if (expected - now_us > slack) return {false, (expected - now_us - slack + 999) / 1000};
    entry.full_again_us = expected + step;
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
    return stripes_[SeededHash{}(key) % stripes];
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
                             int64_t now_ms) {
    fetch(key);
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    return pass(stripe.entry(key, max_keys_per_stripe_), count, period_ms, burst, now_ms);
}

int64_t LimitTable::left(std::string_view key, int64_t count, int64_t period_ms, int64_t burst,
                         int64_t now_ms) const {
    const Entry entry = look_up(key);
    const int64_t most = std::max<int64_t>(1, burst);
    const int64_t step = std::max<int64_t>(1, period_ms * 1000 / std::max<int64_t>(1, count));
    const int64_t used = std::max<int64_t>(0, entry.full_again_us - now_ms * 1000);
    return std::max<int64_t>(0, most - (used + step - 1) / step);
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
        return item.second.inside == 0 && item.second.full_again_us <= now_ms * 1000;
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
