#include "daemon/core/send_queue.h"

#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>
#include <string>

using wayleave::Frame;
using wayleave::SendQueue;

namespace {

Frame frame(std::string text) {
    return std::make_shared<const std::string>(std::move(text));
}

// What a peer reads that takes at most `step` bytes at a time.
std::string write_all(SendQueue& queue, size_t most, size_t step) {
    std::string written;
    std::vector<char> scratch;
    while (!queue.empty()) {
        const auto bytes = queue.gather(scratch, most).substr(0, step);
        written += bytes;
        queue.consume(bytes.size());
    }
    return written;
}

}  // namespace

TEST_CASE("a new queue is empty", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    CHECK(queue.empty());
    CHECK(queue.bytes() == 0);
    CHECK(queue.frames() == 0);
    CHECK(queue.gather(scratch, 100).empty());
    queue.consume(0);
    queue.clear();
    CHECK(queue.empty());
}

TEST_CASE("one frame is given as it is", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    const Frame hello = frame("hello");
    queue.push(hello);
    CHECK(queue.gather(scratch, 100).data() == hello->data());
    CHECK(queue.gather(scratch, 3) == "hel");
    queue.consume(2);
    CHECK(queue.gather(scratch, 100) == "llo");
    CHECK(queue.bytes() == 3);
    CHECK(queue.frames() == 1);
    CHECK(scratch.empty());
}

TEST_CASE("several frames are joined, at most as much as is asked for", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    for (const char* text : {"one", "two", "three"}) queue.push(frame(text));
    CHECK(queue.gather(scratch, 100) == "onetwothree");
    CHECK(queue.gather(scratch, 7) == "onetwot");
    queue.consume(4);
    CHECK(queue.gather(scratch, 100) == "wothree");
    CHECK(queue.frames() == 2);
    CHECK(queue.bytes() == 7);
}

TEST_CASE("a long first frame is not copied", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    const Frame large = frame(std::string(1000, 'x'));
    queue.push(large);
    queue.push(frame("y"));
    CHECK(queue.gather(scratch, 1000).data() == large->data());
    CHECK(queue.gather(scratch, 10) == std::string(10, 'x'));
    CHECK(scratch.empty());
}

TEST_CASE("frames of no bytes are left out", "[send_queue]") {
    SendQueue queue;
    queue.push(nullptr);
    queue.push(frame(""));
    CHECK(queue.frames() == 0);
    queue.push(frame("a"));
    queue.push(frame(""));
    CHECK(queue.frames() == 1);
}

TEST_CASE("what is written is released at once", "[send_queue]") {
    SendQueue queue;
    const Frame first = frame("first");
    const Frame last = frame("last");
    queue.push(first);
    queue.push(last);
    CHECK(first.use_count() == 2);
    queue.consume(5);
    CHECK(first.use_count() == 1);
    CHECK(last.use_count() == 2);
    queue.clear();
    CHECK(last.use_count() == 1);
    CHECK(queue.empty());
}

TEST_CASE("dropping keeps the frame that has begun", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    for (const char* text : {"one", "two", "three"}) queue.push(frame(text));
    queue.consume(4);
    queue.drop_unsent();
    CHECK(queue.gather(scratch, 100) == "wo");
    CHECK(queue.bytes() == 2);
    queue.push(frame("last"));
    CHECK(queue.gather(scratch, 100) == "wolast");

    SendQueue fresh;
    fresh.push(frame("one"));
    fresh.drop_unsent();
    CHECK(fresh.empty());
}

TEST_CASE("to write more than there is, is a bug", "[send_queue]") {
    SendQueue queue;
    queue.push(frame("abc"));
    CHECK_THROWS_AS(queue.consume(4), std::logic_error);
}

TEST_CASE("nothing is lost or reordered, however it is pushed and written", "[send_queue]") {
    std::mt19937 random(1);
    const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
    for (int round = 0; round < 200; ++round) {
        SendQueue queue;
        std::string pushed;
        std::string written;
        std::vector<char> scratch;
        for (int step = 0; step < 200; ++step) {
            if (below(3) > 0) {
                std::string text(below(40), 'a');
                for (char& c : text) c = static_cast<char>('a' + below(26));
                pushed += text;
                queue.push(frame(text));
            } else {
                const auto bytes = queue.gather(scratch, 1 + below(64));
                const size_t n = below(bytes.size() + 1);
                written += bytes.substr(0, n);
                queue.consume(n);
            }
            REQUIRE(queue.bytes() == pushed.size() - written.size());
        }
        written += write_all(queue, 1 + below(64), 1 + below(16));
        REQUIRE(written == pushed);
        REQUIRE(queue.frames() == 0);
    }
}

TEST_CASE("what may be dropped is dropped from either end, and never what has begun", "[send_queue]") {
    const auto filled = [] {
        SendQueue queue;
        for (const char* text : {"one", "two", "three", "four"}) queue.push(frame(text), 1000, true);
        queue.push(frame("kept"), 2000);
        queue.push(frame("five"), 3000, true);
        return queue;
    };
    SendQueue queue = filled();
    queue.consume(1);
    CHECK(queue.age_ms(5000) == 4000);
    CHECK(queue.drop_oldest(14, 100) == 2);
    CHECK(write_all(queue, 100, 100) == "nefourkeptfive");
    CHECK(queue.age_ms(5000) == 0);

    queue = filled();
    CHECK(queue.drop_newest(100, 3) == 3);
    CHECK(queue.bytes() == 10);
    CHECK(write_all(queue, 100, 100) == "onetwokept");

    queue = filled();
    queue.consume(4);
    CHECK(queue.drop_older(1500, 3000) == 2);  // "two" has begun
    CHECK(write_all(queue, 100, 100) == "wokeptfive");

    queue = filled();
    CHECK(queue.drop_oldest(0, 0) == 5);
    CHECK(write_all(queue, 100, 100) == "kept");
    queue.push(frame("x"), 1, true);
    CHECK(queue.drop_newest(0, 0) == 1);
    CHECK(queue.empty());
    CHECK(queue.drop_oldest(0, 0) == 0);
}
