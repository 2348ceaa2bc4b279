// Time as the core sees it: read once per loop turn and passed on as an argument.
#pragma once

#include <chrono>
#include <cstdint>

namespace wayleave {

struct Now {
    int64_t steady_ms = 0;  // for deadlines and rates
    int64_t wall_ms = 0;    // since 1970, for tokens and time stamps
};

inline Now read_clocks() {
    using namespace std::chrono;
    return {duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count(),
            duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()};
}

// For what takes less than a millisecond.
inline int64_t steady_us() {
    using namespace std::chrono;
    return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace wayleave
