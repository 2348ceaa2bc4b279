// The last refusals, for `wayleave why`: what was refused to whom, when, and by which line. Bounded so that a
// flood pushes out itself: who has shown who he is has a ring apart from the others, of what is alike a few
// are kept, and what goes is the oldest of what there is most of. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/ops/log/event_record.h"

namespace wayleave {

class RefusalBook {
  public:
    // Of each ring.
    static constexpr size_t most_records = 2048;
    static constexpr size_t most_bytes = 2U << 20U;
    // Of one source, a user or a network, for one cause, which is a line of the policy or else a reason;
    // others are counted with the one behind them. And of one source in all.
    static constexpr size_t most_alike = 8;
    static constexpr size_t most_of_source = 64;

    void add(EventRecord record);
    void forget();  // memory is short
    struct Found {
        std::vector<EventRecord> records;  // the newest first; a field `more`: so many alike were before it
        size_t all = 0;                    // how many there are
        int64_t since_wall_ms = 0;         // when the oldest that is kept was; 0: none is
    };
    // Those about a session, a user, an address, a route, a decision or its place; empty: all.
    [[nodiscard]] Found find(std::string_view about, size_t most) const;

    struct Totals {
        size_t bytes = 0;
        uint64_t forgotten = 0;  // pushed out by others
    };
    [[nodiscard]] Totals totals() const;

  private:
    struct Kept;
    using Records = std::list<Kept>;
    using Group = std::deque<Records::iterator>;  // the oldest first
    struct Kept {
        uint64_t number;  // of all
        EventRecord record;
        size_t bytes;
        uint64_t more;  // alike, before it
        std::string source;
        std::string cause;
    };
    class Ring {
      public:
        uint64_t add(Kept kept);  // how many were pushed out
        [[nodiscard]] const Records& records() const { return records_; }
        [[nodiscard]] size_t bytes() const { return bytes_; }

      private:
        void fold(Group& alike);
        void drop(Records::iterator kept);

        Records records_;  // the oldest first
        std::unordered_map<std::string, Group> alike_;
        std::unordered_map<std::string, Group> of_cause_;
        std::unordered_map<std::string, Group> of_source_;
        size_t bytes_ = 0;
    };

    mutable std::mutex mutex_;
    Ring known_;      // users
    Ring anonymous_;  // those who have not shown who they are
    uint64_t numbers_ = 0;
    uint64_t forgotten_ = 0;
};

}  // namespace wayleave
