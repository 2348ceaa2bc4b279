// How long things took: counted in buckets of which each is at most 7 % wide. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wayleave {

class LatencyHistogram {
  public:
    void add(int64_t us);
    [[nodiscard]] uint64_t count() const { return count_; }
    [[nodiscard]] int64_t most() const { return most_us_; }
    // The upper end of the bucket within which that share (0 to 1) of all is; 0: there is nothing.
    [[nodiscard]] int64_t within(double share) const;

  private:
    static constexpr size_t parts = 16;  // of each power of two
    static constexpr size_t powers = 48;

    std::array<uint64_t, parts * powers> buckets_{};
    uint64_t count_ = 0;
    int64_t most_us_ = 0;
};

}  // namespace wayleave
