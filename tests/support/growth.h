// How the cost of something grows with its size. CPU time of this thread, since others have a share in the
// clock on the wall; and a ratio, since sanitizers and machines differ.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>

namespace wayleave::dsl {

template <typename Work>
[[nodiscard]] double cpu_seconds(const Work& work, size_t size) {
    const auto now = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    };
    const double start = now();
    work(size);
    return now() - start;
}

// What ten times the size costs: about 10 where the cost is in proportion, about 100 where it is the square.
// The first run warms up.
template <typename Work>
[[nodiscard]] double growth(const Work& work, size_t size) {
    (void)cpu_seconds(work, size);
    const double small = std::min(cpu_seconds(work, size), cpu_seconds(work, size));
    return cpu_seconds(work, 10 * size) / small;
}
constexpr double most_growth = 40;

}  // namespace wayleave::dsl
