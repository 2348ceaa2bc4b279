#include "daemon/edge/door.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using wayleave::Door;

TEST_CASE("no more than the limit are inside", "[door]") {
    Door door(2);
    CHECK(door.enter());
    CHECK(door.enter());
    CHECK_FALSE(door.enter());
    CHECK(door.inside() == 2);
    door.leave();
    CHECK(door.inside() == 1);
    CHECK(door.enter());
    CHECK_FALSE(door.enter());
}

TEST_CASE("nobody enters through a door for nobody", "[door]") {
    Door door(0);
    CHECK_FALSE(door.enter());
    CHECK(door.inside() == 0);
}

TEST_CASE("trouble is told once a second, by whichever worker", "[door]") {
    Door door(1);
    CHECK(door.may_report(5000));
    CHECK_FALSE(door.may_report(5000));
    CHECK_FALSE(door.may_report(5999));
    CHECK(door.may_report(6000));
    CHECK_FALSE(door.may_report(6500));
}

TEST_CASE("many threads at the door", "[door]") {
    Door door(10);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10000; ++i) {
                if (door.enter()) door.leave();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(door.inside() == 0);
}
