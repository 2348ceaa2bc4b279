#include "daemon/backend/breaker.h"

#include <catch2/catch.hpp>

using namespace wayleave;

TEST_CASE("failures in a row open it, and one success forgets them") {
    Backend backend;
    backend.break_after = 3;
    backend.break_for_ms = 1000;
    Breaker breaker;
    CHECK_FALSE(breaker.failed(backend, 0));
    CHECK_FALSE(breaker.failed(backend, 0));
    CHECK_FALSE(breaker.succeeded());
    CHECK_FALSE(breaker.failed(backend, 0));
    CHECK_FALSE(breaker.failed(backend, 0));
    CHECK(breaker.admits(0));
    CHECK(breaker.failed(backend, 100));
    CHECK(breaker.open());
    CHECK_FALSE(breaker.admits(1099));
}

TEST_CASE("after the break one request tries, and decides") {
    Backend backend;
    backend.break_after = 1;
    backend.break_for_ms = 1000;
    Breaker breaker;
    CHECK(breaker.failed(backend, 0));
    CHECK_FALSE(breaker.failed(backend, 500));  // was under way: does not prolong it
    CHECK(breaker.admits(1000));
    breaker.started(1000);
    CHECK_FALSE(breaker.admits(1000));
    CHECK_FALSE(breaker.failed(backend, 1200));
    CHECK_FALSE(breaker.admits(2199));
    CHECK(breaker.admits(2200));
    breaker.started(2200);
    CHECK(breaker.succeeded());
    CHECK(breaker.admits(2200));
    CHECK_FALSE(breaker.open());
}
