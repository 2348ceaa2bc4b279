// The keys of one stripe of the limits, and what is known of each: a bounded table that makes room for a new
// key. No lock: its owner's. Private to limits.cc.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/decision/limits.h"

namespace wayleave {

class RateTable {
  public:
    RateTable() : places_(0, Hash{this}, Equal{this}) {}
    RateTable(const RateTable&) = delete;
    RateTable& operator=(const RateTable&) = delete;

    // Null: not known.
    [[nodiscard]] const LimitTable::Rate* find(std::string_view key) const {
        const auto it = places_.find(key);
        return it == places_.end() ? nullptr : &slots_[*it].rate;
    }

    // Known already, or new. With `most` keys another goes for a new one, and `evicted` becomes true. Good
    // until the next call.
    LimitTable::Rate& fetch(std::string_view key, size_t most, bool& evicted) {
        if (const auto it = places_.find(key); it != places_.end()) return slots_[*it].rate;
        evicted = slots_.size() >= most;
        if (evicted) remove(least_missed());
        slots_.push_back({std::string(key), {}});
        places_.insert(static_cast<uint32_t>(slots_.size() - 1));
        return slots_.back().rate;
    }

    void forget_idle(int64_t now_ns) {
        for (size_t i = slots_.size(); i-- > 0;) {
            if (slots_[i].rate.full_again_ns <= now_ns) remove(i);
        }
        if (slots_.size() * 4 < slots_.capacity()) {
            slots_.shrink_to_fit();
            places_.rehash(0);
        }
    }

    [[nodiscard]] size_t size() const { return slots_.size(); }

  private:
    static constexpr size_t looked_at = 16;
    static constexpr size_t limit_bytes = 8;  // of a key: which limit it is of

    struct Slot {
        std::string key;
        LimitTable::Rate rate;
    };
    // A key is kept once: the set holds its place, and is asked with texts.
    struct Hash {
        using is_transparent = void;
        const RateTable* table;
        size_t operator()(uint32_t place) const { return SeededHash{}(table->slots_[place].key); }
        size_t operator()(std::string_view key) const { return SeededHash{}(key); }
    };
    struct Equal {
        using is_transparent = void;
        const RateTable* table;
        bool operator()(uint32_t a, uint32_t b) const { return a == b; }
        bool operator()(uint32_t a, std::string_view key) const { return table->slots_[a].key == key; }
        bool operator()(std::string_view key, uint32_t a) const { return table->slots_[a].key == key; }
    };

    [[nodiscard]] std::string_view limit_of(size_t place) const {
        return std::string_view(slots_[place].key).substr(0, limit_bytes);
    }

    // Of a few taken at random: of the limit that has most of them, the key that is soonest as good as new. A
    // limit whose keys are few is hardly ever hit, and a key that has used up its rate least of all.
    [[nodiscard]] size_t least_missed() {
        size_t sample[looked_at];
        if (!dice_) dice_.emplace(std::random_device{}());
        for (size_t& place : sample) place = (*dice_)() % slots_.size();
        size_t best = sample[0];
        size_t most = 0;
        for (const size_t place : sample) {
            size_t count = 0;
            for (const size_t other : sample) count += limit_of(other) == limit_of(place) ? 1 : 0;
            const bool sooner = slots_[place].rate.full_again_ns < slots_[best].rate.full_again_ns;
            if (count < most || (count == most && !sooner)) continue;
            most = count;
            best = place;
        }
        return best;
    }

    void remove(size_t place) {
        places_.erase(static_cast<uint32_t>(place));
        const size_t last = slots_.size() - 1;
        if (place != last) {
            places_.erase(static_cast<uint32_t>(last));
            slots_[place] = std::move(slots_[last]);
        }
        slots_.pop_back();
        if (place != last) places_.insert(static_cast<uint32_t>(place));
    }

    std::vector<Slot> slots_;
    absl::flat_hash_set<uint32_t, Hash, Equal> places_;
    // Seeded when it is needed: most tables never get full, and every question of a test has one.
    std::optional<std::minstd_rand> dice_;
};

}  // namespace wayleave
