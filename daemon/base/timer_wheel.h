// One deadline for each connection, in slots of 100 ms. Setting a later deadline costs nothing: the old entry
// finds out when its slot comes and moves itself. Owned by the gateway; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace wayleave {

class TimerWheel {
  public:
    static constexpr int64_t slot_ms = 100;

    // Wakes `item` (the owner packs its id) at the tick at or after `when_ms`; at most 100 s ahead, where the
    // owner asks again.
    void add(uint64_t item, int64_t when_ms, int64_t now_ms) {
        start(now_ms);
        const int64_t slot = std::min(when_ms, now_ms + (slots - 2) * slot_ms) / slot_ms + 1;
        ring_[static_cast<size_t>(std::max(slot, done_ + 1)) % slots].push_back(item);
    }

    // Calls `due(item)` for each whose slot has passed; it may add() again.
    template <class Due>
    void advance(int64_t now_ms, const Due& due) {
        start(now_ms);
        const int64_t target = now_ms / slot_ms;
        done_ = std::max(done_, target - slots);  // after a long stall every slot is due, each once
        while (done_ < target) {
            ++done_;
            firing_.swap(ring_[static_cast<size_t>(done_) % slots]);
            for (const uint64_t item : firing_) due(item);
            firing_.clear();
        }
    }

  private:
    static constexpr int64_t slots = 1024;

    void start(int64_t now_ms) {
        if (done_ == 0) done_ = now_ms / slot_ms;
    }

    std::array<std::vector<uint64_t>, slots> ring_;
    std::vector<uint64_t> firing_;
    int64_t done_ = 0;  // the last slot that was worked off
};

}  // namespace wayleave
