#include "daemon/edge/loop.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <string>

using namespace wayleave;

TEST_CASE("a turn begins before and ends after everything in it", "[loop]") {
    Loop loop;
    std::string seen;
    const Turn turn(
        loop, [&] { seen += 'b'; }, [&] { seen += 'e'; });
    Timer timer(loop, [&] {
        seen += 't';
        loop.stop();
    });
    timer.after(1);
    loop.run();
    CHECK(seen == "ebt");
}

TEST_CASE("a descriptor is watched until it is paused", "[loop]") {
    Loop loop;
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    int calls = 0;
    {
        IoWatcher io(loop, ends[0], [&](int events) {
            CHECK(events == EV_READ);
            if (++calls == 3) io.watch(0);  // level-triggered: nothing was read
        });
        io.watch(EV_READ);
        CHECK(write(ends[1], "x", 1) == 1);
        Timer end(loop, [&] { loop.stop(); });
        end.after(30);
        loop.run();
    }
    CHECK(calls == 3);
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE("a signal arrives in the loop", "[loop]") {
    Loop loop;
    int caught = 0;
    const SignalWatcher watcher(loop, SIGUSR2, [&] {
        ++caught;
        loop.stop();
    });
    raise(SIGUSR2);
    loop.run();
    CHECK(caught == 1);
}
