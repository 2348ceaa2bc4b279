// What the listeners of all workers share: how many sockets there may be, how many of one source, whether
// there is memory for more, and how often trouble with accepting is told. Any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "dsl/policy/value.h"

namespace wayleave {

class ConnectionQuota {
  public:
    enum class Verdict : uint8_t { enters, full, no_memory };

    explicit ConnectionQuota(size_t max_connections) : most_(max_connections) {}

    // `enters`: there is one more inside, for whom leave() is to be called.
    [[nodiscard]] Verdict enter();
    void leave() { inside_.fetch_sub(1, std::memory_order_relaxed); }

    // One of those inside, when it is known who it is: behind a proxy that is later. False: its source has
    // its share already, unless that is not `bounded`. Else leave_place() is to be called.
    [[nodiscard]] bool take_place(const dsl::Address& source, bool bounded);
    void leave_place(const dsl::Address& source);

    // 0: no bound. It counts from the start, so that it may come with a reload.
    void set_most_of_source(size_t most) { most_of_source_.store(most, std::memory_order_relaxed); }
    void set_memory_short(bool is_short) { memory_short_.store(is_short, std::memory_order_relaxed); }

    [[nodiscard]] size_t inside() const { return inside_.load(std::memory_order_relaxed); }
    [[nodiscard]] size_t most() const { return most_; }
    // What is only convenient must not take places that somebody may need.
    [[nodiscard]] bool crowded() const {
        return inside() > most_ / 2 || memory_short_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] size_t sources() const;
    // What to tell about a refusal, and the remedy.
    [[nodiscard]] std::string refusal(Verdict verdict) const;
    [[nodiscard]] std::string refusal(const dsl::Address& source) const;

    // True at most once a second, for all workers together.
    [[nodiscard]] bool may_report(int64_t steady_ms) {
        int64_t last = reported_ms_.load(std::memory_order_relaxed);
        return steady_ms - last >= 1000 && reported_ms_.compare_exchange_strong(last, steady_ms);
    }

  private:
    const size_t most_;
    std::atomic<size_t> inside_{0};
    std::atomic<size_t> most_of_source_{0};
    std::atomic<bool> memory_short_{false};
    std::atomic<int64_t> reported_ms_{-1000};
    mutable std::mutex mutex_;
    // Sockets by source: as many entries as there are sockets, at most. abseil seeds the hash for each
    // process.
    absl::flat_hash_map<uint64_t, uint32_t> of_source_;
};

}  // namespace wayleave
