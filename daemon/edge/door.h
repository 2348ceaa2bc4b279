// What the listeners of all workers share: how many sockets there may be, and how often trouble with
// accepting is told.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace wayleave {

class Door {
  public:
    explicit Door(size_t max_connections) : most_(max_connections) {}

    // True: there is one more inside, for whom leave() is to be called.
    [[nodiscard]] bool enter() {
        if (inside_.fetch_add(1, std::memory_order_relaxed) < most_) return true;
        leave();
        return false;
    }
    void leave() { inside_.fetch_sub(1, std::memory_order_relaxed); }

    [[nodiscard]] size_t inside() const { return inside_.load(std::memory_order_relaxed); }
    [[nodiscard]] size_t most() const { return most_; }

    // True at most once a second, for all workers together.
    [[nodiscard]] bool may_report(int64_t steady_ms) {
        int64_t last = reported_ms_.load(std::memory_order_relaxed);
        return steady_ms - last >= 1000 && reported_ms_.compare_exchange_strong(last, steady_ms);
    }

  private:
    const size_t most_;
    std::atomic<size_t> inside_{0};
    std::atomic<int64_t> reported_ms_{-1000};
};

}  // namespace wayleave
