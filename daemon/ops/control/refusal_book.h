// The last refusals, for `wayleave why`: what was refused to whom, when, and by which line. Bounded: the
// oldest is forgotten. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <vector>

#include "daemon/ops/log/event_record.h"

namespace wayleave {

class RefusalBook {
  public:
    static constexpr size_t most_records = 4096;
    static constexpr size_t most_bytes = 4U << 20U;

    void add(EventRecord record);
    void forget();  // memory is short
    struct Found {
        std::vector<EventRecord> records;  // the newest first
        size_t all = 0;                    // how many there are
        int64_t since_wall_ms = 0;         // when the oldest that is kept was; 0: none is
    };
    // Those about a session, a user, an address, a route, a decision or its place; empty: all.
    [[nodiscard]] Found find(std::string_view about, size_t most) const;

  private:
    mutable std::mutex mutex_;
    std::deque<EventRecord> records_;
    size_t bytes_ = 0;
};

}  // namespace wayleave
