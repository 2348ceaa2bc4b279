#include "daemon/session/session_table.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("an id finds its session until it is closed, and nobody in the same place afterwards") {
    SessionTable table;
    const ConnectionId first = table.open().id;
    const ConnectionId second = table.open().id;
    REQUIRE(table.find(first));
    CHECK(table.find(first)->id == first);
    CHECK(table.count() == 2);
    table.close(first);
    CHECK_FALSE(table.find(first));
    table.close(first);  // a late event finds nobody
    CHECK(table.count() == 1);
    const ConnectionId third = table.open().id;
    CHECK(third.index == first.index);
    CHECK(third.generation != first.generation);
    CHECK_FALSE(table.find(first));
    CHECK(table.find(second));
    CHECK_FALSE(table.find({1000, 1}));
}

TEST_CASE("sessions are visited in portions, each once; those that are no work do not count") {
    SessionTable table;
    for (int i = 0; i < 10; ++i) table.open().number = static_cast<uint64_t>(i);
    table.close({3, 1});
    std::vector<uint64_t> seen;
    size_t next = 0;
    int portions = 0;
    const auto see = [&](const Session& session) {
        seen.push_back(session.number);
        return session.number % 2 == 0;
    };
    while (!table.visit(next, 2, see)) ++portions;
    CHECK(seen == std::vector<uint64_t>{0, 1, 2, 4, 5, 6, 7, 8, 9});
    CHECK(portions == 2);
}
