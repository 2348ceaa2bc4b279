#include "daemon/edge/door.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

// An IPv4 address, or the /64 of an IPv6 address, which is what one customer has. The two cannot be the same:
// no IPv6 address of a peer begins with ffff.
uint64_t source_key(const dsl::Address& address) {
    uint64_t key = address.is_v4() ? 0xffff : 0;
    for (size_t i = address.is_v4() ? 12 : 0; i < (address.is_v4() ? 16U : 8U); ++i)
        key = key << 8 | address.bytes[i];
    return address.is_v4() ? key | uint64_t{0xffff} << 48 : key;
}

}  // namespace

Door::Verdict Door::enter(const dsl::Address& source) {
    if (memory_short_.load(std::memory_order_relaxed)) return Verdict::no_memory;
    if (inside_.fetch_add(1, std::memory_order_relaxed) >= most_) {
        inside_.fetch_sub(1, std::memory_order_relaxed);
        return Verdict::full;
    }
    const std::lock_guard lock(mutex_);
    if (count_in(source)) return Verdict::enters;
    inside_.fetch_sub(1, std::memory_order_relaxed);
    return Verdict::many_of_source;
}

bool Door::count_in(const dsl::Address& source) {
    const size_t most = most_of_source_.load(std::memory_order_relaxed);
    uint32_t& count = of_source_[source_key(source)];
    const bool many = most > 0 && count >= most &&
                      std::none_of(exempt_.begin(), exempt_.end(),
                                   [&](const dsl::Net& net) { return net.contains(source); });
    if (!many) ++count;
    return !many;
}

Door::Verdict Door::name_source(const dsl::Address& proxy, const dsl::Address& client) {
    {
        const std::lock_guard lock(mutex_);
        if (count_in(client)) {
            forget(proxy);
            return Verdict::enters;
        }
    }
    leave(proxy);
    return Verdict::many_of_source;
}

void Door::set_exempt_sources(std::vector<dsl::Net> networks) {
    const std::lock_guard lock(mutex_);
    exempt_ = std::move(networks);
}

void Door::leave(const dsl::Address& source) {
    inside_.fetch_sub(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    forget(source);
}

void Door::forget(const dsl::Address& source) {
    const auto found = of_source_.find(source_key(source));
    if (found != of_source_.end() && --found->second == 0) of_source_.erase(found);
}

size_t Door::sources() const {
    const std::lock_guard lock(mutex_);
    return of_source_.size();
}

std::string Door::refusal(Verdict verdict, const dsl::Address& source) const {
    switch (verdict) {
        case Verdict::many_of_source:
            return "refused a connection of " + source.text() + ": " +
                   std::to_string(most_of_source_.load(std::memory_order_relaxed)) +
                   " of this source are open; raise limits.connections_per_source if they are welcome";
        case Verdict::no_memory: return "refused a connection: memory is short; raise limits.memory";
        case Verdict::full:
        case Verdict::enters: break;
    }
    return "refused a connection: " + std::to_string(most_) +
           " are open; raise max_connections or the limit on open files";
}

}  // namespace wayleave
