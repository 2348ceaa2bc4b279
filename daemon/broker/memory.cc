#include "daemon/broker/memory.h"

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <string>

namespace wayleave {

namespace {

constexpr size_t stripe_bits = 6;  // 64 locks: two workers rarely want the same

// Seeded by abseil at random per process, since peers may choose names. Debian's absl::string_view is not the
// standard's, so the map's own hash does not take ours.
struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const {
        return absl::Hash<absl::string_view>{}(absl::string_view(name.data(), name.size()));
    }
};

}  // namespace

// A cache line of its own, or the locks of neighbours would slow each other down.
struct alignas(64) MemoryBroker::Stripe {
    std::mutex mutex;
    absl::flat_hash_map<std::string, std::vector<uint32_t>, NameHash, std::equal_to<>>
        workers;  // by channel, no empty ones
};

MemoryBroker::MemoryBroker() : stripes_(std::make_unique<Stripe[]>(size_t{1} << stripe_bits)) {}
MemoryBroker::~MemoryBroker() = default;

MemoryBroker::Stripe& MemoryBroker::stripe_of(std::string_view channel) const {
    // The upper bits: the map inside uses the lower ones.
    const auto hash = static_cast<uint64_t>(NameHash{}(channel));
    return stripes_[hash >> (64 - stripe_bits)];
}

uint32_t MemoryBroker::add_worker(Inbox& inbox) {
    inboxes_.push_back(&inbox);
    return static_cast<uint32_t>(inboxes_.size() - 1);
}

void MemoryBroker::subscribe(uint32_t worker, std::string_view channel) {
    Stripe& stripe = stripe_of(channel);
    const std::lock_guard lock(stripe.mutex);
    auto& workers = stripe.workers[channel];
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) workers.push_back(worker);
}

void MemoryBroker::unsubscribe(uint32_t worker, std::string_view channel) {
    Stripe& stripe = stripe_of(channel);
    const std::lock_guard lock(stripe.mutex);
    const auto found = stripe.workers.find(channel);
    if (found == stripe.workers.end()) return;
    auto& workers = found->second;
    workers.erase(std::remove(workers.begin(), workers.end(), worker), workers.end());
    if (workers.empty()) stripe.workers.erase(found);
}

// Under the stripe's lock, so that two publications on a channel reach all inboxes in the same order. An
// inbox takes its own lock inside this one and calls nobody: that is the whole order of locks.
void MemoryBroker::publish(const Publication& publication) {
    Stripe& stripe = stripe_of(*publication.channel);
    const std::lock_guard lock(stripe.mutex);
    const auto found = stripe.workers.find(*publication.channel);
    if (found == stripe.workers.end()) return;
    for (const uint32_t worker : found->second) inboxes_[worker]->push(publication);
}

void MemoryBroker::take_seat(std::string_view key, int64_t most, const Occupant& occupant) {
    seats_.take(key, most, occupant,
                [this](const Occupant& oldest) { inboxes_[oldest.worker]->unseat(oldest); });
}

void MemoryBroker::leave_seat(std::string_view key, const Occupant& occupant) {
    seats_.leave(key, occupant);
}

}  // namespace wayleave
