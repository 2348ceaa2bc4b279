#include "daemon/base/timer_wheel.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("an item is due at the first tick after its time, once") {
    TimerWheel wheel;
    int64_t now = 1'000'000;
    std::vector<uint64_t> due;
    const auto tick = [&] {
        now += 100;
        wheel.advance(now, [&](uint64_t item) { due.push_back(item); });
    };
    wheel.add(1, now + 250, now);
    wheel.add(2, now + 1000, now);
    wheel.add(3, now - 5000, now);  // late already
    tick();
    CHECK(due == std::vector<uint64_t>{3});
    tick();
    CHECK(due.size() == 1);
    tick();
    CHECK(due == std::vector<uint64_t>{3, 1});
    for (int i = 0; i < 2000; ++i) tick();
    CHECK(due == std::vector<uint64_t>{3, 1, 2});
}

TEST_CASE("an item may come again from inside, and a stall loses none") {
    TimerWheel wheel;
    int64_t now = 5'000;
    int fired = 0;
    wheel.add(1, now, now);
    const auto advance = [&] {
        wheel.advance(now, [&](uint64_t item) {
            ++fired;
            wheel.add(item, now + 1000, now);
        });
    };
    for (int i = 0; i < 100; ++i) {
        now += 100;
        advance();
    }
    CHECK(fired >= 9);
    const int before = fired;
    now += 1'000'000;
    advance();
    CHECK(fired == before + 1);
}
