#include "daemon/edge/loop_calls.h"

#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/edge/helper_thread.h"

using namespace wayleave;

TEST_CASE("calls of other threads are made on the loop's own, in the order of each", "[loop]") {
    constexpr int senders = 3;
    constexpr int each = 1000;
    Loop loop;
    LoopCalls calls(loop);
    std::vector<int> last(senders, -1);
    int made = 0;
    bool in_order = true;
    bool here = true;
    const auto own = std::this_thread::get_id();
    std::vector<std::thread> threads;
    for (int sender = 0; sender < senders; ++sender) {
        threads.emplace_back([&, sender] {
            for (int i = 0; i < each; ++i) {
                calls.post([&, sender, i] {
                    in_order = in_order && last[static_cast<size_t>(sender)] == i - 1;
                    here = here && std::this_thread::get_id() == own;
                    last[static_cast<size_t>(sender)] = i;
                    if (++made == senders * each) loop.stop();
                });
            }
        });
    }
    loop.run();
    for (std::thread& thread : threads) thread.join();
    CHECK(in_order);
    CHECK(here);
}

TEST_CASE("a call may post another", "[loop]") {
    Loop loop;
    LoopCalls calls(loop);
    std::string seen;
    calls.post([&] {
        calls.post([&] {
            seen += 'c';
            loop.stop();
        });
        seen += 'a';
    });
    calls.post([&] { seen += 'b'; });
    loop.run();
    CHECK(seen == "abc");
}

TEST_CASE("calls that nobody makes go with their loop", "[loop]") {
    const auto held = std::make_shared<int>(1);
    {
        Loop loop;
        LoopCalls calls(loop);
        calls.post([held] { FAIL("nobody runs the loop"); });
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("a helper does one job after another, while the loop goes on", "[loop]") {
    Loop loop;
    LoopCalls calls(loop);
    HelperThread helper("test-helper");
    std::promise<void> release;
    std::string seen;
    helper.post([&, wait = release.get_future().share()] {
        wait.wait();  // until the loop has turned
        calls.post([&] { seen += '1'; });
    });
    helper.post([&] {
        calls.post([&] {
            seen += '2';
            loop.stop();
        });
    });
    Timer turned(loop, [&] {
        seen += 't';
        release.set_value();
    });
    turned.after(1);
    loop.run();
    CHECK(seen == "t12");
}

TEST_CASE("a helper that ends waits for the job under way", "[loop]") {
    std::promise<void> begun;
    std::promise<void> release;
    bool done = false;
    std::thread releaser;
    {
        HelperThread helper("test-helper");
        helper.post([&] {
            begun.set_value();
            release.get_future().wait();
            done = true;
        });
        begun.get_future().wait();
        releaser = std::thread([&] { release.set_value(); });
    }
    CHECK(done);
    releaser.join();
}
