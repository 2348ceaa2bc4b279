#include "daemon/broker/local_slots.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/string_map.h"

namespace wayleave {
namespace {

constexpr size_t slot_stripes = 64;

}  // namespace

struct alignas(64) LocalSlots::Stripe {
    std::mutex mutex;
    StringMap<std::vector<SlotHolder>> holders;  // oldest first; no empty ones
};

LocalSlots::LocalSlots(Evict evict)
    : evict_(std::move(evict)), stripes_(std::make_unique<Stripe[]>(slot_stripes)) {}
LocalSlots::~LocalSlots() = default;

LocalSlots::Stripe& LocalSlots::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, slot_stripes)];
}

void LocalSlots::take(std::string_view key, int64_t most, const SlotHolder& holder) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    std::vector<SlotHolder>& holders = stripe.holders[key];
    const size_t room = static_cast<size_t>(std::max<int64_t>(1, most)) - 1;
    if (holders.size() > room) {
        const auto last = holders.end() - static_cast<std::ptrdiff_t>(room);
        std::for_each(holders.begin(), last, evict_);
        holders.erase(holders.begin(), last);
    }
    holders.push_back(holder);
}

void LocalSlots::leave(std::string_view key, const SlotHolder& holder) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.holders.find(key);
    if (it == stripe.holders.end()) return;
    std::erase(it->second, holder);
    if (it->second.empty()) stripe.holders.erase(it);
}

}  // namespace wayleave
