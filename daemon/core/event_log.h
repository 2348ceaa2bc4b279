// Gathers the events of a worker for its turn, so that a client cannot fill the disk: of the same thing and
// the same source the first lines are told at once, and how many more there were when ten seconds are over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/core/counters.h"
#include "daemon/core/event.h"
#include "daemon/core/now.h"
#include "daemon/core/string_map.h"

namespace wayleave {

class EventLog {
  public:
    // `out` is emptied by who writes the lines; `lost` counts those for which a turn has no room.
    EventLog(std::vector<Event>& out, Counter& lost) : out_(out), lost_(lost) {}

    // `key` is what makes it the same: source and cause.
    void tell(Event event, const std::string& key, Now now, uint64_t lines = 1);
    // Tells how many more there were, whether or not it happens once more.
    void tick(Now now);
    // Memory is short. What was not told yet is lost.
    void forget() { repeated_.clear(); }

  private:
    struct Repeated {
        int64_t since_ms = 0;
        uint64_t count = 0;
        uint64_t lines = 1;  // of them told
        Event last;          // that was not told
    };

    void put(Event event);
    void tell_of_more(Now now, bool all);

    std::vector<Event>& out_;
    Counter& lost_;
    StringMap<Repeated> repeated_;  // bounded
    int64_t tick_at_ms_ = 0;
};

}  // namespace wayleave
