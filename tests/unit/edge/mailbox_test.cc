#include "daemon/edge/mailbox.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace wayleave;

namespace {

Publication publication(const std::string& text) {
    return std::make_shared<const Message>("room", Position{}, text);
}

}  // namespace

TEST_CASE("what is put in is taken out once, in order", "[mailbox]") {
    Loop loop;
    Mailbox box(loop);
    std::vector<Publication> publications;
    std::vector<Command> commands;
    CHECK_FALSE(box.take(publications, commands));

    box.push(publication("a"));
    box.push(publication("b"));
    box.post({Command::Kind::drain});
    CHECK(box.take(publications, commands));
    REQUIRE(publications.size() == 2);
    CHECK(publications[0]->frame.payload() == "a");
    CHECK(publications[1]->frame.payload() == "b");
    REQUIRE(commands.size() == 1);
    CHECK(commands[0].kind == Command::Kind::drain);

    publications.clear();
    commands.clear();
    CHECK_FALSE(box.take(publications, commands));
}

TEST_CASE("a push of another thread wakes the loop, whatever was in the box", "[mailbox]") {
    constexpr int senders = 3;
    constexpr int each = 2000;
    Loop loop;
    Mailbox box(loop);
    std::vector<Publication> publications;
    std::vector<Command> commands;
    size_t taken = 0;
    const Turn turn(
        loop, [] {},
        [&] {
            if (box.take(publications, commands)) taken += publications.size();
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
