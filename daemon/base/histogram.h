// How long things take, counted in buckets as Prometheus wants them. One thread adds, others read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/base/counter.h"

namespace wayleave {

// The upper ends of the buckets, in microseconds; beyond the last there is one more.
inline constexpr std::array<int64_t, 21> histogram_bounds_us = {
    5,      10,     25,      50,      100,     250,       500,       1'000,     2'500,      5'000,     10'000,
    25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000};

// What was counted so far; can be added up over threads.
struct HistogramReading {
    std::array<uint64_t, histogram_bounds_us.size() + 1> counts{};  // of each bucket alone
    uint64_t sum_us = 0;

    void add(int64_t us) {
        ++counts[bucket_of(us)];
        sum_us += us > 0 ? static_cast<uint64_t>(us) : 0;
    }
    void add(const HistogramReading& other) {
        for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
        sum_us += other.sum_us;
    }
    [[nodiscard]] uint64_t count() const {
        uint64_t out = 0;
        for (const uint64_t one : counts) out += one;
        return out;
    }
    [[nodiscard]] static size_t bucket_of(int64_t us) {
        size_t bucket = 0;
        while (bucket < histogram_bounds_us.size() && us > histogram_bounds_us[bucket]) ++bucket;
        return bucket;
    }
};

class Histogram {
  public:
    void add(int64_t us) {
        counts_[HistogramReading::bucket_of(us)].add();
        sum_us_.add(us > 0 ? static_cast<uint64_t>(us) : 0);
    }
    [[nodiscard]] HistogramReading read() const {
        HistogramReading out;
        for (size_t i = 0; i < counts_.size(); ++i) out.counts[i] = counts_[i].get();
        out.sum_us = sum_us_.get();
        return out;
    }

  private:
    std::array<Counter, histogram_bounds_us.size() + 1> counts_;
    Counter sum_us_;
};

}  // namespace wayleave
