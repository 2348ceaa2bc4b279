#include "daemon/broker/turn_queue.h"

#include <catch2/catch.hpp>

#include <string>

using namespace wayleave;

TEST_CASE("who asks much waits for himself", "[broker]") {
    TurnQueue<std::string> queue(1000);
    for (int i = 0; i < 100; ++i) REQUIRE(queue.add(7, "much"));
    CHECK(queue.add(8, "a"));
    CHECK(queue.add(9, "b"));
    CHECK(queue.add(8, "c"));
    CHECK(queue.size() == 103);
    std::string order;
    for (int i = 0; i < 6; ++i) order += queue.take() + " ";
    CHECK(order == "much a b much c much ");
    while (queue.size() > 0) CHECK(queue.take() == "much");
    CHECK(queue.add(7, "again"));
    CHECK(queue.take() == "again");
}

TEST_CASE("one client does not take all the places", "[broker]") {
    TurnQueue<int> queue(80);
    int taken = 0;
    while (queue.add(1, taken)) ++taken;
    CHECK(taken == 11);
    CHECK(queue.add(2, 0));
    for (uint64_t client = 3; queue.size() < 80; ++client) REQUIRE(queue.add(client, 0));
    CHECK_FALSE(queue.add(1000, 0));
    (void)queue.take();
    CHECK(queue.add(1000, 0));
}
