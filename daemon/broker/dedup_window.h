// The ids of publications that were seen within a while, and where those stand. No lock: its owner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/core/message.h"
#include "daemon/core/string_map.h"

namespace wayleave {

class DedupWindow {
  public:
    // Where the first publication of that id stands, if it was within its window.
    [[nodiscard]] std::optional<Position> find(std::string_view id, int64_t steady_ms) const;
    // It is not known yet, or its window is over.
    void add(std::string id, Position position, int64_t until_ms);
    void expire(int64_t steady_ms);
    // The oldest goes, because there is no room. False: there is none.
    bool drop_oldest();

    [[nodiscard]] size_t size() const { return order_.size(); }

  private:
    struct Seen {
        Position position;
        int64_t until_ms = 0;
    };
    struct Entry {
        std::string id;
        int64_t until_ms = 0;
    };

    StringMap<Seen> seen_;
    std::deque<Entry> order_;  // as they came; an id whose window was over may stand twice
};

}  // namespace wayleave
