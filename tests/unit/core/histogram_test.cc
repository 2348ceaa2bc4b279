#include "daemon/base/histogram.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("a time is in the bucket whose end it does not pass") {
    CHECK(HistogramReading::bucket_of(-1) == 0);
    CHECK(HistogramReading::bucket_of(5) == 0);
    CHECK(HistogramReading::bucket_of(6) == 1);
    CHECK(HistogramReading::bucket_of(1'000) == 7);
    CHECK(HistogramReading::bucket_of(30'000'000) == histogram_bounds_us.size() - 1);
    CHECK(HistogramReading::bucket_of(30'000'001) == histogram_bounds_us.size());
}

TEST_CASE("histograms of several threads are added up") {
    Histogram one;
    one.add(3);
    one.add(400);
    one.add(-7);  // a clock that was set back
    HistogramReading all = one.read();
    all.add(one.read());
    all.add(100'000'000);
    CHECK(all.count() == 7);
    CHECK(all.sum_us == 2 * 403 + 100'000'000);
    CHECK(all.counts.back() == 1);
}
