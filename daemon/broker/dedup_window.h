// The ids of publications that were seen within a while, and where those stand. No lock: its owner's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "daemon/message/message.h"

namespace wayleave {

// Of who publishes and its id of the message: clients choose them, of whatever length.
using DedupKey = std::array<uint64_t, 2>;
[[nodiscard]] DedupKey dedup_key(std::string_view id);

class DedupWindow {
  public:
    // Where the first publication of that id stands, if it was within its window.
    [[nodiscard]] std::optional<Position> find(const DedupKey& id, int64_t steady_ms) const;
    // It is not known yet, or its window is over.
    void add(const DedupKey& id, Position position, int64_t until_ms);
    void expire(int64_t steady_ms);
    // The oldest goes, because there is no room. False: there is none.
    bool drop_oldest();

    [[nodiscard]] size_t size() const { return order_.size(); }
    [[nodiscard]] size_t bytes() const { return order_.size() * id_bytes; }  // about

  private:
    struct Seen {
        Position position;
        int64_t until_ms = 0;
    };
    struct Entry {
        DedupKey id;
        int64_t until_ms = 0;
    };
    // Of the map, which is seven eighths full at most and half at least, and of the queue.
    static constexpr size_t id_bytes = 2 * (sizeof(DedupKey) + sizeof(Seen) + 1) + sizeof(Entry);

    absl::flat_hash_map<DedupKey, Seen> seen_;
    std::deque<Entry> order_;  // as they came; an id whose window was over may stand twice
};

}  // namespace wayleave
