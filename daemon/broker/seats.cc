#include "daemon/broker/seats.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/string_map.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;

}  // namespace

struct alignas(64) Seats::Stripe {
    std::mutex mutex;
    StringMap<std::vector<Occupant>> seats;  // oldest first; no empty ones
};

Seats::Seats() : stripes_(std::make_unique<Stripe[]>(stripes)) {}
Seats::~Seats() = default;

Seats::Stripe& Seats::stripe_of(std::string_view key) const {
    return stripes_[stripe_for(key, stripes)];
}

void Seats::take(std::string_view key, int64_t most, const Occupant& occupant, const Unseat& unseat) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    std::vector<Occupant>& seated = stripe.seats[key];
    const size_t room = static_cast<size_t>(std::max<int64_t>(1, most)) - 1;
    if (seated.size() > room) {
        const auto last = seated.end() - static_cast<std::ptrdiff_t>(room);
        std::for_each(seated.begin(), last, unseat);
        seated.erase(seated.begin(), last);
    }
    seated.push_back(occupant);
}

void Seats::leave(std::string_view key, const Occupant& occupant) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.seats.find(key);
    if (it == stripe.seats.end()) return;
    std::erase(it->second, occupant);
    if (it->second.empty()) stripe.seats.erase(it);
}

}  // namespace wayleave
