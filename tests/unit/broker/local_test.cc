// Presence and connection slots within one process.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "daemon/broker/local_presence.h"
#include "daemon/broker/local_slots.h"

using namespace wayleave;

namespace {

SlotHolder holder(uint64_t session) {
    return {1, 10 + session, session};
}

}  // namespace

TEST_CASE("the oldest holder of a slot makes room for a newer one", "[broker]") {
    std::vector<uint64_t> evicted;
    LocalSlots slots([&](const SlotHolder& one) { evicted.push_back(one.session); });
    slots.take("alice", 2, holder(1));
    slots.take("alice", 2, holder(2));
    slots.take("bob", 1, holder(3));
    CHECK(evicted.empty());
    slots.take("alice", 2, holder(4));
    CHECK(evicted == std::vector<uint64_t>{1});
    slots.leave("alice", holder(1));  // it had lost it
    slots.leave("alice", holder(2));
    slots.take("alice", 2, holder(5));
    CHECK(evicted == std::vector<uint64_t>{1});
    // A bound that a reload has made smaller; and one always has room.
    slots.take("alice", 0, holder(6));
    CHECK(evicted == std::vector<uint64_t>{1, 4, 5});
}

TEST_CASE("a holder of another node is another holder", "[broker]") {
    std::vector<uint64_t> evicted;
    LocalSlots slots([&](const SlotHolder& one) { evicted.push_back(one.session); });
    SlotHolder far = holder(1);
    far.node = 7;
    slots.take("alice", 1, far);
    slots.leave("alice", holder(1));
    slots.take("alice", 1, holder(2));
    CHECK(evicted == std::vector<uint64_t>{1});
}

TEST_CASE("a user with two connections comes once, and leaves with the last when the grace is over",
          "[broker]") {
    std::vector<std::string> told;
    LocalPresence presence([&](const Publication& message) { told.emplace_back(message->frame.payload()); });
    const PresenceRules rules{true, 5000};
    const Now now{1000, 0};
    presence.appear("hall", "alice", rules, now);
    presence.appear("hall", "alice", rules, now);
    presence.appear("hall", "", rules, now);
    REQUIRE(told.size() == 1);
    CHECK_THAT(told[0], Catch::Contains("$join"));
    const auto roster = presence.present("hall", 9, {});
    REQUIRE(roster);
    CHECK(roster->total == 1);
    CHECK(roster->anonymous == 1);
    CHECK(roster->users.at(0).connections == 2);
    presence.disappear("hall", "alice", rules, now);
    presence.disappear("hall", "alice", rules, now);
    presence.tick({5999, 0});
    CHECK(told.size() == 1);
    presence.tick({6000, 0});
    REQUIRE(told.size() == 2);
    CHECK_THAT(told[1], Catch::Contains("$leave"));
    CHECK(presence.present("hall", 9, {})->total == 0);
}
