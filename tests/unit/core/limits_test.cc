#include "daemon/decision/limits.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>
#include <vector>

using namespace wayleave;

TEST_CASE("a rate passes its burst and then one each interval") {
    LimitTable table;
    const auto take = [&](int64_t now) { return table.take("k", 2, 1000, 3, now); };  // one each 500 ms
    for (int i = 0; i < 3; ++i) CHECK(take(10'000).pass);
    const LimitAnswer refused = take(10'000);
    CHECK_FALSE(refused.pass);
    CHECK(refused.retry_after_ms == 500);
    CHECK_FALSE(take(10'499).pass);
    CHECK(take(10'500).pass);
    CHECK_FALSE(take(10'500).pass);
    // Whoever asks all the time gets the rate, not less.
    int passed = 0;
    for (int64_t now = 20'000; now < 30'000; now += 10) passed += take(now).pass ? 1 : 0;
    CHECK(passed == 3 + 19);
}

TEST_CASE("a new rate for the same key keeps what was used") {
    LimitTable table;
    for (int i = 0; i < 10; ++i) (void)table.take("k", 1, 1000, 10, 5000);
    CHECK_FALSE(table.take("k", 100, 1000, 1, 5000).pass);
}

TEST_CASE("a faster rate after a reload does not keep the old waiting time") {
    LimitTable table;
    CHECK(table.take("k", 1, 3'600'000, 1, 5000).pass);
    CHECK_FALSE(table.take("k", 1, 3'600'000, 1, 5000).pass);
    CHECK_FALSE(table.take("k", 50, 1000, 50, 5000).pass);  // the burst is used up
    CHECK(table.take("k", 50, 1000, 50, 5020).pass);
}

TEST_CASE("a burst beyond all measure does not overflow") {
    LimitTable table;
    for (int i = 0; i < 10; ++i) CHECK(table.take("k", 1, 86'400'000, INT64_MAX, 1).pass);
}

TEST_CASE("slow rates do not overflow") {
    LimitTable table;
    CHECK(table.take("day", 1, 86'400'000, 1, 1).pass);
    CHECK(table.take("day", 1, 86'400'000, 1, 2).retry_after_ms == 86'399'999);
    for (int i = 0; i < 1000; ++i) CHECK(table.take("fast", 1'000'000'000, 1, 1'000'000'000, 1).pass);
}

TEST_CASE("bytes cost what they weigh, at any rate") {
    LimitTable table;
    // 64 KiB a second, as much at once.
    CHECK(table.take("b", 65536, 1000, 65536, 1000, 60'000).pass);
    const LimitAnswer refused = table.take("b", 65536, 1000, 65536, 1000, 10'000);
    CHECK_FALSE(refused.pass);
    CHECK(refused.retry_after_ms == 69);
    CHECK(table.take("b", 65536, 1000, 65536, 1000 + 69, 10'000).pass);
    CHECK(table.left("b", 65536, 1000, 65536, 2069) == 65536);
    // What is larger than the burst passes alone, and is paid for afterwards.
    CHECK(table.take("b", 65536, 1000, 65536, 10'000, 655'360).pass);
    CHECK_FALSE(table.take("b", 65536, 1000, 65536, 18'000, 1).pass);
    CHECK(table.take("b", 65536, 1000, 65536, 19'100, 1).pass);
    // Rates beyond one a microsecond are not rounded away.
    int64_t passed = 0;
    for (int64_t now = 1; now <= 1000; ++now) {
        for (int i = 0; i < 30; ++i)
            passed += table.take("fast", 10'000'000, 1000, 10'000, now, 1000).pass ? 1000 : 0;
    }
    CHECK(passed == 10'000'000);
    CHECK(table.take("none", 1, 1000, 1, 1, 0).pass);
}

TEST_CASE("a number at one time") {
    LimitTable table;
    CHECK(table.enter("k", 2));
    CHECK(table.enter("k", 2));
    CHECK_FALSE(table.enter("k", 2));
    CHECK(table.enter("other", 2));
    table.leave("k");
    CHECK(table.enter("k", 2));
    table.leave("nobody");
}

TEST_CASE("what is inside belongs to somebody, and no number of others drives it out") {
    LimitTable table(64);  // one rate a stripe
    for (int i = 0; i < 100'000; ++i) REQUIRE(table.enter("k" + std::to_string(i), 1));
    CHECK_FALSE(table.enter("k7", 1));
    CHECK(table.keys() == 100'000);
    for (int i = 0; i < 100'000; ++i) table.leave("k" + std::to_string(i));
    CHECK(table.keys() == 0);
    CHECK(table.evictions() == 0);
}

TEST_CASE("whoever makes names up drives out names that he made up") {
    constexpr size_t most = 64 * 256;
    LimitTable table(most);
    const auto user = [](int i) { return "users..." + std::to_string(i); };
    for (int i = 0; i < 100; ++i) {
        for (int n = 0; n < 4; ++n) CHECK(table.take(user(i), 4, 3'600'000, 4, 1000).pass);
    }
    // Slow rates, so that none of them is as good as new meanwhile.
    for (int i = 0; i < 100'000; ++i)
        REQUIRE(table.take("rooms..." + std::to_string(i), 1, 86'400'000, 1, 1000).pass);
    CHECK(table.keys() <= most);
    CHECK(table.evictions() >= 100'000 - most);
    // Everybody else is counted as before, whether known or new.
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(table.take(user(i), 4, 3'600'000, 4, 1000).pass);
        for (int n = 0; n < 4; ++n) CHECK(table.take(user(1000 + i), 4, 3'600'000, 4, 1000).pass);
        CHECK_FALSE(table.take(user(1000 + i), 4, 3'600'000, 4, 1000).pass);
    }
    for (int i = 0; i < 64; ++i) table.forget_idle(100'000'000);
    CHECK(table.keys() == 0);
}

TEST_CASE("of one limit's keys the one that used up its rate is the last to go") {
    LimitTable table(64 * 256);
    for (int n = 0; n < 5; ++n) CHECK(table.take("rooms...mine", 5, 3'600'000, 5, 1000).pass);
    for (int i = 0; i < 100'000; ++i)
        REQUIRE(table.take("rooms..." + std::to_string(i), 5, 3'600'000, 5, 1000).pass);
    CHECK_FALSE(table.take("rooms...mine", 5, 3'600'000, 5, 1000).pass);
}

TEST_CASE("threads share what a limit permits") {
    LimitTable table;
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) passed += table.take("k", 1, 1000, 100, 1000).pass ? 1 : 0;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(passed == 100);
}

TEST_CASE("a scratch table starts with what the other has counted, and changes nothing there") {
    LimitTable real;
    for (int i = 0; i < 3; ++i) CHECK(real.take("k", 5, 1000, 5, 0).pass);
    REQUIRE(real.enter("c", 2));
    LimitTable scratch(&real);
    CHECK(scratch.left("k", 5, 1000, 5, 0) == 2);
    CHECK(scratch.take("k", 5, 1000, 5, 0).pass);
    CHECK(scratch.take("k", 5, 1000, 5, 0).pass);
    CHECK_FALSE(scratch.take("k", 5, 1000, 5, 0).pass);
    CHECK(scratch.left("k", 5, 1000, 5, 0) == 0);
    CHECK(real.left("k", 5, 1000, 5, 0) == 2);
    CHECK(scratch.inside("c") == 1);
    CHECK(scratch.enter("c", 2));
    CHECK_FALSE(scratch.enter("c", 2));
    scratch.leave("c");
    scratch.leave("c");  // also what the other has counted
    CHECK(scratch.inside("c") == 0);
    CHECK(scratch.enter("c", 1));
    CHECK_FALSE(scratch.enter("c", 1));
    CHECK(real.inside("c") == 1);
    CHECK(real.keys() == 2);
}

TEST_CASE("how many are left grows again with time, and never beyond the burst") {
    LimitTable table;
    CHECK(table.left("k", 5, 1000, 3, 0) == 3);
    for (int i = 0; i < 3; ++i) (void)table.take("k", 5, 1000, 3, 0);
    CHECK(table.left("k", 5, 1000, 3, 0) == 0);
    CHECK(table.left("k", 5, 1000, 3, 200) == 1);
    CHECK(table.take("k", 5, 1000, 3, 200).pass);
    CHECK_FALSE(table.take("k", 5, 1000, 3, 200).pass);
    CHECK(table.left("k", 5, 1000, 3, 100'000) == 3);
}
