#include "daemon/identity/token_cache.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("what was verified is found again, under the same keys, until it has expired") {
    TokenCache cache;
    const auto key = TokenCache::key_of(1, "a.b.c");
    CHECK_FALSE(cache.find(key, 0));
    cache.add(key, {"{}", 7}, 1000, 0);
    CHECK(cache.find(key, 999)->payload == "{}");
    CHECK_FALSE(cache.find(key, 1000));
    CHECK_FALSE(cache.find(TokenCache::key_of(2, "a.b.c"), 0));
    CHECK_FALSE(cache.find(TokenCache::key_of(1, "a.b.d"), 0));
    cache.add(TokenCache::key_of(1, "old"), {"{}", 7}, 500, 500);
    CHECK(cache.size() == 1);
    cache.add(TokenCache::key_of(1, "endless"), {"{}", 7}, 0, 500);
    CHECK(cache.find(TokenCache::key_of(1, "endless"), INT64_MAX)->payload == "{}");
}

TEST_CASE("the cache is bounded in entries and in bytes, and the oldest goes") {
    TokenCache few({.entries = 160, .bytes = 1 << 20});
    for (int i = 0; i < 10'000; ++i) few.add(TokenCache::key_of(1, std::to_string(i)), {"{}", 7}, 0, 0);
    CHECK(few.size() <= 160);
    CHECK(few.find(TokenCache::key_of(1, "9999"), 0));
    CHECK_FALSE(few.find(TokenCache::key_of(1, "0"), 0));

    TokenCache small({.entries = 1 << 20, .bytes = 16 * 1000});
    for (int i = 0; i < 1000; ++i)
        small.add(TokenCache::key_of(1, std::to_string(i)), {std::string(300, 'x'), 7}, 0, 0);
    CHECK(small.bytes() <= 16 * 1000);
    CHECK(small.find(TokenCache::key_of(1, "999"), 0));
    small.add(TokenCache::key_of(1, "huge"), {std::string(1001, 'x'), 7}, 0, 0);
    CHECK_FALSE(small.find(TokenCache::key_of(1, "huge"), 0));
}
