// What messages age by. It goes with the steady clock while the process runs, so that a jump of the wall
// clock neither wipes a history nor keeps it for ever; across a restart it goes on from what was stored. A
// value.
#pragma once

#include <algorithm>
#include <cstdint>

#include "daemon/base/now.h"

namespace wayleave {

class AgeClock {
  public:
    AgeClock() = default;
    // `stored`: what at() gave last; `stored_wall_ms`: when that was. The time between is the wall clock's
    // word, and believed within bounds: it may have been set right or wrong meanwhile.
    AgeClock(int64_t stored, int64_t stored_wall_ms, Now start)
        : base_(stored + 1 + std::clamp<int64_t>(start.wall_ms - stored_wall_ms, 0, most_away_ms)),
          start_ms_(start.steady_ms) {}

    [[nodiscard]] int64_t at(Now now) const {
        return base_ + std::max<int64_t>(0, now.steady_ms - start_ms_);
    }
    // Everything before it is an earlier process's.
    [[nodiscard]] int64_t started() const { return base_; }

    static constexpr int64_t most_away_ms = int64_t{7} * 24 * 3600 * 1000;

  private:
    int64_t base_ = 0;
    int64_t start_ms_ = 0;
};

}  // namespace wayleave
