#include "daemon/edge/connection_quota.h"

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

ConnectionQuota::Verdict ConnectionQuota::enter() {
    if (memory_short_.load(std::memory_order_relaxed)) return Verdict::no_memory;
    if (inside_.fetch_add(1, std::memory_order_relaxed) < most_) return Verdict::enters;
    leave();
    return Verdict::full;
}

bool ConnectionQuota::take_place(const dsl::Address& source, bool bounded) {
    const size_t most = most_of_source_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    uint32_t& count = of_source_[source_key(source)];
    if (bounded && most > 0 && count >= most) return false;
    ++count;
    return true;
}

void ConnectionQuota::leave_place(const dsl::Address& source) {
    const std::lock_guard lock(mutex_);
    const auto found = of_source_.find(source_key(source));
    if (found != of_source_.end() && --found->second == 0) of_source_.erase(found);
}

size_t ConnectionQuota::sources() const {
    const std::lock_guard lock(mutex_);
    return of_source_.size();
}

std::string ConnectionQuota::refusal(Verdict verdict) const {
    if (verdict == Verdict::no_memory) return "refused a connection: memory is short; raise limits.memory";
    return "refused a connection: " + std::to_string(most_) +
           " are open; raise max_connections or the limit on open files";
}

std::string ConnectionQuota::refusal(const dsl::Address& source) const {
    return "refused a connection of " + source.text() + ": " +
           std::to_string(most_of_source_.load(std::memory_order_relaxed)) +
           " of this source are open; raise limits.connections_per_source if they are welcome";
}

}  // namespace wayleave
