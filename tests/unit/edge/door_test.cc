#include "daemon/edge/door.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using wayleave::Door;
using wayleave::dsl::parse_address;

namespace {

const wayleave::dsl::Address one = *parse_address("192.0.2.1");

}  // namespace

TEST_CASE("no more than the limit are inside", "[door]") {
    Door door(2);
    CHECK(door.enter() == Door::Verdict::enters);
    CHECK(door.enter() == Door::Verdict::enters);
    CHECK(door.enter() == Door::Verdict::full);
    CHECK(door.inside() == 2);
    door.leave();
    CHECK(door.inside() == 1);
    CHECK(door.enter() == Door::Verdict::enters);
    CHECK(door.enter() == Door::Verdict::full);
}

TEST_CASE("nobody enters through a door for nobody", "[door]") {
    Door door(0);
    CHECK(door.enter() == Door::Verdict::full);
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
                if (door.enter() == Door::Verdict::enters) door.leave();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(door.inside() == 0);
}

TEST_CASE("each source has its share: an IPv4 address, or a /64 of IPv6", "[door]") {
    Door door(100);
    door.set_most_of_source(2);
    for (const char* source : {"192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"}) {
        INFO(source);
        CHECK(door.take_place(*parse_address(source), true));
    }
    CHECK(door.take_place(*parse_address("2001:db8:0:1:ffff::9"), true));
    CHECK_FALSE(door.take_place(*parse_address("2001:db8:0:1::7"), true));
    CHECK(door.take_place(*parse_address("::ffff:192.0.2.1"), true));
    CHECK_FALSE(door.take_place(one, true));
    CHECK(door.take_place(one, false));
    door.leave_place(one);
    door.leave_place(one);
    CHECK(door.take_place(one, true));
    CHECK(door.sources() == 4);
    door.set_most_of_source(0);
    CHECK(door.take_place(one, true));
    for (int i = 0; i < 3; ++i) door.leave_place(one);
    CHECK(door.sources() == 3);
    door.leave_place(one);
    CHECK(door.sources() == 3);
}

TEST_CASE("nobody enters while memory is short", "[door]") {
    Door door(100);
    door.set_memory_short(true);
    CHECK(door.enter() == Door::Verdict::no_memory);
    door.set_memory_short(false);
    CHECK(door.enter() == Door::Verdict::enters);
    CHECK(door.inside() == 1);
}
