#include "daemon/edge/mailbox.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace wayleave;

namespace {

int64_t since_us = 0;

Publication publication(const std::string& text) {
    return std::make_shared<const Message>("room", Position{}, text);
}

}  // namespace

TEST_CASE("what is put in is taken out once, in order", "[mailbox]") {
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    std::vector<Publication> publications;
    std::vector<Command> commands;
    CHECK_FALSE(box.take(publications, commands, since_us));

    box.push(publication("a"));
    box.push(publication("b"));
    box.post({Command::Kind::drain});
    CHECK(box.take(publications, commands, since_us));
    REQUIRE(publications.size() == 2);
    CHECK(publications[0]->frame.payload() == "a");
    CHECK(publications[1]->frame.payload() == "b");
    REQUIRE(commands.size() == 1);
    CHECK(commands[0].kind == Command::Kind::drain);

    publications.clear();
    commands.clear();
    CHECK_FALSE(box.take(publications, commands, since_us));
}

TEST_CASE("a push of another thread wakes the loop, whatever was in the box", "[mailbox]") {
    constexpr int senders = 3;
    constexpr int each = 2000;
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    std::vector<Publication> publications;
    std::vector<Command> commands;
    size_t taken = 0;
    const Turn turn(
        loop, [] {},
        [&] {
            if (box.take(publications, commands, since_us)) taken += publications.size();
            publications.clear();
            commands.clear();
            if (taken == senders * each) loop.stop();
        });
    box.owned_by_this_thread();
    std::vector<std::thread> threads;
    for (int t = 0; t < senders; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < each; ++i) box.push(publication("x"));
        });
    }
    Timer limit(loop, [&] { loop.stop(); });
    limit.after(20'000);
    loop.run();  // a wake-up that got lost would end it at the limit
    for (auto& thread : threads) thread.join();
    CHECK(taken == senders * each);
}

TEST_CASE("what is left of the last time comes before what is new", "[mailbox]") {
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    std::vector<Publication> publications{publication("a")};
    std::vector<Command> commands;
    box.push(publication("b"));
    box.post({.kind = Command::Kind::drain});
    CHECK(box.take(publications, commands, since_us));
    REQUIRE(publications.size() == 1);
    CHECK(publications[0]->frame.payload() == "a");
    CHECK(commands.size() == 1);
    publications.clear();
    commands.clear();
    CHECK(box.take(publications, commands, since_us));
    CHECK(publications[0]->frame.payload() == "b");
}

TEST_CASE("a mailbox is full until half of it is delivered, and takes what comes", "[mailbox]") {
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    Mailbox other(loop, exchange);
    exchange.add(0, box);
    exchange.add(1, other);
    const std::string text = GENERATE(std::string("x"), std::string(100'000, 'x'));
    std::vector<Publication> all;
    std::vector<Command> commands;
    while (!exchange.pressure().high()) box.push(publication(text));
    const size_t most = box.held().messages;
    CHECK(most == (text.size() == 1 ? Mailbox::most_messages : Mailbox::most_bytes / text.size() + 1));
    CHECK_FALSE(exchange.crammed());
    box.push(publication(text));
    CHECK(box.held().messages == most + 1);

    // To have taken them is not enough.
    CHECK(box.take(all, commands, since_us));
    CHECK(exchange.pressure().high());
    const std::span<const Publication> taken(all);
    box.delivered(taken.first(2));
    CHECK(exchange.pressure().high());
    box.delivered(taken.subspan(2, taken.size() / 2));
    CHECK_FALSE(exchange.pressure().high());
    box.delivered(taken.subspan(2 + taken.size() / 2));
    CHECK(box.held().messages == 0);
    CHECK(box.held().bytes == 0);
}

TEST_CASE("pressure is high while a worker is behind, and all are woken when none is", "[mailbox]") {
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    Mailbox other(loop, exchange);
    exchange.add(0, box);
    exchange.add(1, other);
    box.set_behind(true);
    box.set_behind(true);
    other.set_behind(true);
    CHECK(exchange.pressure().high());
    box.set_behind(false);
    CHECK(exchange.pressure().high());
    other.set_behind(false);
    CHECK_FALSE(exchange.pressure().high());
    // Nothing else would end this.
    int turns = 0;
    const Turn turn(
        loop, [&] { loop.stop(); }, [&] { ++turns; });
    loop.run();
    CHECK(turns == 1);
}

TEST_CASE("far more than the bound is too much for others, too", "[mailbox]") {
    Loop loop;
    Exchange exchange;
    Mailbox box(loop, exchange);
    exchange.add(3, box);
    for (size_t i = 0; i < 4 * Mailbox::most_messages - 1; ++i) box.push(publication("x"));
    CHECK_FALSE(exchange.crammed());
    box.push(publication("x"));
    CHECK(exchange.crammed());
}
