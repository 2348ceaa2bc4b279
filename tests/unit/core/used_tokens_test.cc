#include "daemon/decision/used_tokens.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace wayleave;
using Use = UsedTokens::Use;

TEST_CASE("a token is used once, until it has expired") {
    UsedTokens used;
    CHECK_FALSE(used.was_used("web", "a", 1000));
    CHECK(used.use("web", "a", 5000, 1000) == Use::first);
    CHECK(used.was_used("web", "a", 1000));
    CHECK(used.use("web", "a", 5000, 4999) == Use::again);
    CHECK(used.use("other", "a", 5000, 1000) == Use::first);
    CHECK(used.use("web", "b", 5000, 1000) == Use::first);
    CHECK(used.use("we", "ba", 5000, 1000) == Use::first);  // block and id are told apart
    CHECK(used.use("web", std::string(7000, 'x'), 5000, 1000) == Use::first);
    CHECK(used.size() == 5);
    CHECK(used.replays() == 2);
    CHECK_FALSE(used.was_used("web", "a", 5000));
    CHECK(used.use("web", "a", 9000, 5000) == Use::first);
}

TEST_CASE("a full table lets nobody in, and has room again when tokens expire") {
    UsedTokens used(64);  // one a stripe
    size_t first = 0;
    for (int i = 0; i < 1000; ++i) {
        if (used.use("web", std::to_string(i), 10'000, 1000) == Use::first) ++first;
    }
    CHECK(first <= 64);
    CHECK(used.size() == first);
    CHECK(used.full() == 1000 - first);
    CHECK(used.use("web", "late", 90'000, 20'000) == Use::first);
}

TEST_CASE("of many threads one uses the token") {
    UsedTokens used;
    std::atomic<int> first{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i) {
                if (used.use("web", std::to_string(i), 10'000, 1000) == Use::first) ++first;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(first == 500);
}
