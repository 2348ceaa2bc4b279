#include "daemon/broker/connection_slots.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/string_map.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;

}  // namespace

struct alignas(64) ConnectionSlots::Stripe {
    std::mutex mutex;
    StringMap<std::vector<SlotHolder>> connection_slots;  // oldest first; no empty ones
};

ConnectionSlots::ConnectionSlots() : stripes_(std::make_unique<Stripe[]>(stripes)) {}
ConnectionSlots::~ConnectionSlots() = default;

ConnectionSlots::Stripe& ConnectionSlots::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, stripes)];
}

void ConnectionSlots::take(std::string_view key, int64_t most, const SlotHolder& occupant,
                           const Unseat& evict) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    std::vector<SlotHolder>& seated = stripe.connection_slots[key];
    const size_t room = static_cast<size_t>(std::max<int64_t>(1, most)) - 1;
    if (seated.size() > room) {
        const auto last = seated.end() - static_cast<std::ptrdiff_t>(room);
        std::for_each(seated.begin(), last, evict);
        seated.erase(seated.begin(), last);
    }
    seated.push_back(occupant);
}

void ConnectionSlots::leave(std::string_view key, const SlotHolder& occupant) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.connection_slots.find(key);
    if (it == stripe.connection_slots.end()) return;
    std::erase(it->second, occupant);
    if (it->second.empty()) stripe.connection_slots.erase(it);
}

}  // namespace wayleave
