#include "daemon/session/session_numbers.h"

#include <catch2/catch.hpp>
#include <set>

using namespace wayleave;

TEST_CASE("a session's number names its worker, and none comes twice") {
    SessionNumbers first(0);
    SessionNumbers last(255);
    std::set<uint64_t> seen;
    for (int i = 0; i < 10'000; ++i) {
        const uint64_t of_first = first.next();
        const uint64_t of_last = last.next();
        REQUIRE(SessionNumbers::worker_of(of_first) == 0);
        REQUIRE(SessionNumbers::worker_of(of_last) == 255);
        REQUIRE(of_first != 0);
        seen.insert({of_first, of_last});
    }
    CHECK(seen.size() == 20'000);
}
