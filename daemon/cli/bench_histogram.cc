#include "daemon/cli/bench_histogram.h"

#include <algorithm>
#include <bit>

namespace wayleave {

void LatencyHistogram::add(int64_t us) {
    const auto value = static_cast<uint64_t>(std::max<int64_t>(us, 0));
    size_t bucket = value;  // small ones have a bucket each
    if (value >= parts) {
        const auto power = static_cast<size_t>(std::bit_width(value) - 1);
        bucket = (power - 3) * parts + (value >> (power - 4)) % parts;
    }
    ++buckets_[std::min(bucket, buckets_.size() - 1)];
    ++count_;
    most_us_ = std::max(most_us_, static_cast<int64_t>(value));
}

int64_t LatencyHistogram::within(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        seen += buckets_[bucket];
        if (seen == 0 || seen < wanted) continue;
        if (bucket < parts) return static_cast<int64_t>(bucket);
        const size_t power = bucket / parts + 3;
        const uint64_t end = ((bucket % parts + parts + 1) << (power - 4)) - 1;
        return std::min(static_cast<int64_t>(end), most_us_);
    }
    return most_us_;
}

}  // namespace wayleave
