#include "daemon/session/send_queue.h"

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>
#include <string>

using wayleave::Frame;
using wayleave::SendQueue;
using wayleave::dsl::Lane;
using Give = wayleave::SendQueue::Give;

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
    const auto filled = [](Give give) {
        SendQueue queue;
        for (const char* text : {"one", "two", "three", "four"})
            queue.push(frame(text), 1000, Lane::normal, give);
        queue.push(frame("kept"), 2000);
        queue.push(frame("five"), 3000, Lane::normal, give);
        return queue;
    };
    SendQueue queue = filled(Give::early);
    queue.consume(1);
    CHECK(queue.age_ms(5000) == 4000);
    CHECK(queue.drop_oldest(14, 100) == 2);
    CHECK(write_all(queue, 100, 100) == "nefourkeptfive");
    CHECK(queue.age_ms(5000) == 0);

    queue = filled(Give::late);
    CHECK(queue.drop_newest(100, 3) == 3);
    CHECK(queue.bytes() == 10);
    CHECK(write_all(queue, 100, 100) == "onetwokept");

    queue = filled(Give::late);
    queue.consume(4);
    CHECK(queue.drop_older(1500, 3000) == 2);  // "two" has begun
    CHECK(write_all(queue, 100, 100) == "wokeptfive");

    queue = filled(Give::early);
    CHECK(queue.drop_oldest(0, 0) == 5);
    CHECK(write_all(queue, 100, 100) == "kept");
    queue.push(frame("x"), 1, Lane::normal, Give::late);
    CHECK(queue.drop_oldest(0, 0) == 0);
    CHECK(queue.drop_newest(0, 0) == 1);
    CHECK(queue.empty());
    CHECK(queue.drop_oldest(0, 0) == 0);
}

TEST_CASE("urgent frames overtake, and no lane waits for ever", "[send_queue]") {
    SendQueue queue;
    queue.push(frame("hello "));
    queue.commit();
    queue.push(frame("n1 "));
    queue.push(frame("l1 "), 0, Lane::low);
    queue.push(frame("n2 "));
    queue.push(frame("u1 "), 0, Lane::urgent);
    queue.push(frame("u2 "), 0, Lane::urgent);
    CHECK(queue.frames() == 6);
    CHECK(queue.bytes() == 21);
    CHECK(write_all(queue, 100, 100) == "hello u1 u2 n1 n2 l1 ");

    for (int i = 0; i < 30; ++i) queue.push(frame("u"), 0, Lane::urgent);
    queue.push(frame("l"), 0, Lane::low);
    queue.push(frame("N"));
    CHECK(write_all(queue, 1, 1) == "uuuuuuuulNuuuuuuuuuuuuuuuuuuuuuu");
}

TEST_CASE("what has begun, or is in line, is not overtaken", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    queue.push(frame("normal "));
    queue.push(frame("later "));
    CHECK(queue.gather(scratch, 100) == "normal later ");
    queue.consume(3);
    queue.push(frame("urgent "), 0, Lane::urgent);
    CHECK(queue.gather(scratch, 5) == "mal u");
    queue.consume(5);
    queue.push(frame("more "), 0, Lane::urgent);
    CHECK(write_all(queue, 100, 100) == "rgent more later ");
    queue.push(frame("low "), 0, Lane::low);
    queue.push(frame("urgent "), 0, Lane::urgent);
    queue.push_last(frame("bye"));
    CHECK(write_all(queue, 100, 100) == "urgent low bye");
}

TEST_CASE("what is left out is of the low lane first", "[send_queue]") {
    SendQueue queue;
    std::vector<char> scratch;
    for (const Lane lane : {Lane::urgent, Lane::normal, Lane::low}) {
        const std::string name = lane == Lane::urgent ? "u" : lane == Lane::low ? "l" : "n";
        for (int i = 0; i < 3; ++i) queue.push(frame(name + std::to_string(i)), 10 * i, lane, Give::early);
    }
    CHECK(queue.age_ms(100) == 100);
    CHECK(queue.drop_oldest(100, 5) == 4);
    CHECK(queue.age_ms(100) == 100);
    CHECK(queue.drop_older(95, 100) == 1);
    CHECK(write_all(queue, 100, 100) == "u1u2n1n2");
}

TEST_CASE("lanes keep their order and lose nothing, however it is written", "[send_queue]") {
    std::mt19937 random(7);
    const auto below = [&](unsigned most) {
        return std::uniform_int_distribution<unsigned>(0, most - 1)(random);
    };
    for (int round = 0; round < 200; ++round) {
        SendQueue queue;
        std::vector<char> scratch;
        std::string written;
        std::array<int, 3> pushed{};
        for (int step = 0; step < 60; ++step) {
            if (below(2) == 0) {
                const unsigned lane = below(3);
                std::string text(1, static_cast<char>('a' + lane));
                text += std::to_string(pushed[lane]++) + std::string(below(9), '.') + " ";
                queue.push(frame(text), step, static_cast<Lane>(lane));
            } else {
                const auto bytes = queue.gather(scratch, 1 + below(40)).substr(0, 1 + below(40));
                written += bytes;
                queue.consume(bytes.size());
            }
        }
        written += write_all(queue, 50, 7);
        std::array<int, 3> seen{};
        for (size_t at = 0; at < written.size(); at = written.find(' ', at) + 1) {
            const auto lane = static_cast<size_t>(written[at] - 'a');
            REQUIRE(lane < 3);
            REQUIRE(std::stoi(written.substr(at + 1)) == seen[lane]++);
        }
        REQUIRE(seen == pushed);
        REQUIRE(queue.bytes() == 0);
    }
}
