#include <atomic>
#include <thread>

#include "daemon/message/message.h"
#include "tests/unit/broker/sqlite_fixture.h"

using namespace wayleave;

TEST_CASE_METHOD(SqliteFixture, "publications are numbered, kept, and pushed to who subscribed", "[sqlite]") {
    open();
    broker->subscribe(worker, "room");
    const Receipt first = publish("a");
    CHECK(first.status == Receipt::Status::accepted);
    CHECK(first.position.offset == 1);
    CHECK(first.position.epoch != 0);
    CHECK(publish("b").position == Position{first.position.epoch, 2});
    CHECK(brief(box.take()) == "1=a 2=b");
    broker->unsubscribe(worker, "room");
    CHECK(publish("c").position.offset == 3);
    CHECK(box.take().empty());

    const Page page = all();
    CHECK(brief(page.messages) == "1=a 2=b 3=c");
    CHECK(page.top == Position{first.position.epoch, 3});
    CHECK(page.messages[0]->frame.payload() ==
          publication_text("room", {"a", now.wall_ms, "\"text\":\"a\""}, first.position));
}

TEST_CASE_METHOD(SqliteFixture, "the message from the disk is the one that was pushed", "[sqlite]") {
    open();
    broker->subscribe(worker, "room");
    Draft sent = draft("quote\\\"\n");
    sent.key = "k";
    sent.except = 0x8000'0000'0000'0001U;
    (void)finish(broker->publish(sent, {worker, ++ticket}));
    const auto pushed = box.take().at(0);
    broker->unsubscribe(worker, "room");
    settings.memory_bytes = 0;
    const auto check = [&](uint64_t except) {
        const auto read = all().messages.at(0);
        CHECK(read->frame.bytes() == pushed->frame.bytes());
        CHECK(read->key == "k");
        CHECK(read->except == except);
    };
    check(sent.except);
    open();
    check(0);  // of a session of an earlier process
}

TEST_CASE_METHOD(SqliteFixture, "without history nothing is numbered, and nothing touches the disk",
                 "[sqlite]") {
    retention = {0, 0, 0};
    open();
    broker->subscribe(worker, "room");
    const auto answer = broker->publish(draft("a"), {worker, ++ticket});
    REQUIRE(answer);  // at once
    CHECK(answer->position == Position{});
    CHECK(brief(box.take()) == "0=a");
    CHECK(broker->totals().disk->commits == 0);
    CHECK(ask("SELECT count(*) FROM channel") == 0);
}

TEST_CASE_METHOD(SqliteFixture, "pages from memory and from the disk are the same", "[sqlite]") {
    retention.history = 10;
    const bool memory = GENERATE(true, false);
    settings.memory_bytes = memory ? size_t{1} << 20U : 0;
    open();
    broker->subscribe(worker, "room");
    uint64_t epoch = 0;
    for (int i = 1; i <= 15; ++i) epoch = publish(std::to_string(i)).position.epoch;
    CHECK((broker->totals().messages > 0) == memory);

    CHECK(brief(all().messages) == "6=6 7=7 8=8 9=9 10=10 11=11 12=12 13=13 14=14 15=15");
    CHECK(read(query()).messages.empty());
    CHECK(read(query()).after == 15);
    SECTION("since") {
        CHECK(brief(since(epoch, 13).messages) == "14=14 15=15");
        CHECK(since(epoch, 13).recovered);
        CHECK(since(epoch, 15).messages.empty());
        CHECK(since(epoch, 15).recovered);
        CHECK(since(epoch, 5).recovered);
        CHECK(since(epoch, 5).messages.size() == 10);
    }
    SECTION("a gap") {
        CHECK_FALSE(since(epoch, 4).recovered);
        CHECK(since(epoch, 4).messages.empty());
        CHECK(since(epoch, 4).after == 15);
        Query asked = query();
        asked.since = Position{epoch, 4};
        asked.rest = true;
        CHECK_FALSE(read(asked).recovered);
        CHECK(read(asked).after == 5);
        CHECK(read(asked).messages.size() == 10);
    }
    SECTION("another epoch, and ahead of the top") {
        CHECK_FALSE(since(epoch + 1, 15).recovered);
        CHECK_FALSE(since(epoch, 16).recovered);
        CHECK(since(epoch, 16).top.offset == 15);
    }
    SECTION("limits") {
        Query asked = query();
        asked.oldest = true;
        asked.limit = 2;
        CHECK(brief(read(asked).messages) == "6=6 7=7");
        CHECK(read(asked).more);
        asked.limit = 10;
        CHECK_FALSE(read(asked).more);
        asked.bytes = 1;
        CHECK(brief(read(asked).messages) == "6=6");
        CHECK(read(asked).more);
    }
    SECTION("downwards") {
        Query asked = query();
        asked.reverse = true;
        asked.limit = 3;
        CHECK(brief(read(asked).messages) == "15=15 14=14 13=13");
        asked.since = Position{epoch, 8};
        CHECK(brief(read(asked).messages) == "7=7 6=6");
        CHECK_FALSE(read(asked).more);
    }
    SECTION("a shorter history than they were kept for") {
        retention.history = 2;
        CHECK(brief(all().messages) == "14=14 15=15");
        CHECK_FALSE(since(epoch, 10).recovered);
    }
    SECTION("what is too old is not given, though it is not removed yet") {
        pass(retention.keep_ms);
        CHECK(all().messages.empty());
        CHECK_FALSE(since(epoch, 14).recovered);
        CHECK(since(epoch, 15).recovered);
        CHECK(publish("new").position.offset == 16);
        CHECK(brief(all().messages) == "16=new");
    }
}

TEST_CASE_METHOD(SqliteFixture, "an empty channel has one epoch, also for its first message", "[sqlite]") {
    open();
    const Page page = all();
    CHECK(page.top.epoch != 0);
    CHECK(page.top.offset == 0);
    CHECK(all().top == page.top);
    CHECK(since(page.top.epoch, 0).recovered);
    CHECK(ask("SELECT count(*) FROM channel") == 0);  // to ask costs nothing
    open();
    CHECK(since(page.top.epoch, 0).recovered);
    CHECK(publish("a").position == Position{page.top.epoch, 1});
    channel = "other";
    CHECK(publish("a").position.epoch != page.top.epoch);
}

TEST_CASE_METHOD(SqliteFixture, "an id that was seen is answered with the first one's position", "[sqlite]") {
    open();
    broker->subscribe(worker, "room");
    const Receipt first = publish("a", "ann/1");
    publish("b", "ann/2");
    const Receipt again = publish("c", "ann/1");
    CHECK(again.status == Receipt::Status::duplicate);
    CHECK(again.position == first.position);
    CHECK(brief(box.take()) == "1=a 2=b");
    CHECK(broker->totals().duplicates == 1);
    SECTION("within its channel") {
        channel = "hall";
        CHECK(publish("d", "ann/1").status == Receipt::Status::accepted);
    }
    SECTION("within the window, and after a restart too") {
        pass(30'000);
        open();
        CHECK(publish("d", "ann/1").status == Receipt::Status::duplicate);
        pass(30'001);
        const Receipt third = publish("e", "ann/1");
        CHECK(third.status == Receipt::Status::accepted);
        CHECK(third.position.offset == 3);
        CHECK(publish("f", "ann/1").position == third.position);
    }
    SECTION("without history") {
        channel = "hall";
        retention.history = 0;
        CHECK(publish("d", "x").position == Position{});
        const Receipt second = publish("d", "x");
        CHECK(second.status == Receipt::Status::duplicate);
        CHECK(second.position == Position{});
    }
    SECTION("the ids go when their time is over") {
        pass(60'001);
        tidy_until([&] { return ask("SELECT count(*) FROM dedup") == 0; });
    }
}

TEST_CASE_METHOD(SqliteFixture, "names are compared whole in the database, too", "[sqlite]") {
    open();
    using namespace std::string_literals;
    channel = "a\0b"s;
    const Receipt first = publish("1", "ann\0x"s);
    CHECK(publish("2", "ann\0y"s).status == Receipt::Status::accepted);
    CHECK(publish("3", "ann\0x"s).position == first.position);
    acknowledge("u\0v"s, first.position);
    CHECK(progress("u\0v"s).acknowledged == 1);
    CHECK(progress("u\0w"s).acknowledged == 0);
    channel = "a\0c"s;
    CHECK(all().top.offset == 0);
    CHECK(publish("4").position.offset == 1);
    open();
    channel = "a\0b"s;
    CHECK(all().top.offset == 2);
}

TEST_CASE_METHOD(SqliteFixture, "a user gets what was not acknowledged", "[sqlite]") {
    open();
    const uint64_t epoch = publish("a").position.epoch;
    publish("b");
    publish("c");
    Query asked = query();
    asked.user = "ann";
    CHECK(brief(read(asked).messages) == "1=a 2=b 3=c");
    CHECK(acknowledge("ann", {epoch, 2}).status == Receipt::Status::accepted);
    CHECK(brief(read(asked).messages) == "3=c");
    CHECK(acknowledge("ann", {epoch, 1}).status == Receipt::Status::accepted);
    CHECK(brief(read(asked).messages) == "3=c");  // a cursor never moves back
    open();
    CHECK(brief(read(asked).messages) == "3=c");
    CHECK(progress("ann").acknowledged == 2);
    CHECK(progress("ann").delivered == 2);
    CHECK(progress("ann").top == Position{epoch, 3});
    CHECK(progress("bob").acknowledged == 0);

    const Receipt ahead = acknowledge("ann", {epoch, 4});
    CHECK(ahead.status == Receipt::Status::refused);
    CHECK_FALSE(ahead.because.empty());
    CHECK(acknowledge("ann", {epoch + 1, 3}).status == Receipt::Status::refused);
    CHECK(progress("ann").acknowledged == 2);

    broker->delivered(cursor("ann", {epoch, 3}));
    CHECK(progress("ann").delivered == 3);
    pass(2000);
    tidy_until([&] { return ask("SELECT max(delivered) FROM cursor") == 3; });
    CHECK(progress("ann").delivered == 3);
    open();
    CHECK(progress("ann").delivered == 3);
    CHECK(progress("ann").acknowledged == 2);
}

TEST_CASE_METHOD(SqliteFixture, "who was never here is told of what is gone", "[sqlite]") {
    retention.history = 2;
    open();
    Query asked = query();
    asked.user = "ann";
    publish("a");
    publish("b");
    CHECK(read(asked).recovered);
    pass(retention.keep_ms);
    asked.now = now;
    CHECK_FALSE(read(asked).recovered);
    CHECK(read(asked).messages.empty());
    for (const char* text : {"c", "d", "e"}) publish(text);
    CHECK_FALSE(read(asked).recovered);
    CHECK(brief(read(asked).messages) == "4=d 5=e");
}

TEST_CASE_METHOD(SqliteFixture, "the order holds when the history is turned off and on", "[sqlite]") {
    open();
    broker->subscribe(worker, "room");
    const Retention on = retention;
    std::string expected;
    for (int i = 0; i < 500; ++i) {
        retention = i % 3 == 1 ? Retention{} : on;
        (void)broker->publish(draft(std::to_string(i)), {worker, ++ticket});
    }
    retention = on;
    publish("end");
    const auto pushed = box.take();
    REQUIRE(pushed.size() == 501);
    for (size_t i = 0; i < 500; ++i)
        CHECK(brief({pushed[i]}).substr(brief({pushed[i]}).find('=') + 1) == std::to_string(i));
    // And once nothing waits, it is at once again.
    retention = {};
    CHECK(broker->publish(draft("x"), {worker, ++ticket}).has_value());
}

TEST_CASE_METHOD(SqliteFixture, "many threads: one commit for many, one order, no offset twice", "[sqlite]") {
    constexpr int threads = 8;
    constexpr int each = 500;
    retention.history = 100'000;
    open();
    std::vector<std::unique_ptr<TestBox>> boxes;
    for (int t = 0; t < threads; ++t) {
        boxes.push_back(std::make_unique<TestBox>());
        const uint32_t number = broker->add_worker(*boxes.back());
        broker->subscribe(number, "one");
        broker->subscribe(number, "two");
    }
    std::mutex mutex;
    std::map<std::string, std::map<uint64_t, std::string>> answered;
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t) {
        running.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                Draft sent = draft(std::to_string(t) + ":" + std::to_string(i));
                sent.channel = i % 2 == 0 ? "one" : "two";
                const auto number = static_cast<uint64_t>(i);
                (void)broker->publish(sent, {static_cast<uint32_t>(t + 1), number});
                const auto receipt = boxes[static_cast<size_t>(t)]->wait<Receipt>(number);
                const std::lock_guard lock(mutex);
                answered[sent.channel].emplace(receipt.position.offset, sent.id);
            }
        });
    }
    for (auto& thread : running) thread.join();
    const DiskTotals disk = *broker->totals().disk;
    CHECK(disk.committed == threads * each);
    CHECK(disk.commits < disk.committed);
    for (const char* name : {"one", "two"}) {
        CHECK(answered[name].size() == threads * each / 2);
        CHECK(answered[name].rbegin()->first == threads * each / 2);  // dense
    }
    for (const auto& own : boxes) {
        std::map<std::string, std::map<uint64_t, std::string>> seen;
        std::map<std::string, uint64_t> last;
        for (const Publication& message : own->take()) {
            CHECK(message->position.offset == ++last[message->channel]);
            const std::string text = brief({message});
            seen[message->channel].emplace(message->position.offset, text.substr(text.find('=') + 1));
        }
        CHECK(seen == answered);
    }
    open();
    channel = "one";
    CHECK(all().messages.size() == threads * each / 2);
}

TEST_CASE_METHOD(SqliteFixture, "who subscribes and then reads has no gap", "[sqlite]") {
    retention.history = 100'000;
    settings.memory_bytes = GENERATE(size_t{0}, size_t{20'000});
    open();
    TestBox mine;
    const uint32_t me = broker->add_worker(mine);
    std::atomic<bool> done{false};
    std::thread publisher([&] {
        for (uint64_t i = 0; !done; ++i) {
            (void)broker->publish(draft("x"), {worker, i});
            (void)box.wait<Receipt>(i);
        }
    });
    for (uint64_t round = 0; round < 100; ++round) {
        broker->subscribe(me, "room");
        Query asked = query();
        asked.oldest = true;
        asked.limit = 1'000'000;
        auto page = broker->read(asked, {me, round});
        if (!page) page = mine.wait<Page>(round);
        std::this_thread::sleep_for(std::chrono::microseconds(500));
        broker->unsubscribe(me, "room");
        uint64_t next = page->messages.size() + 1;
        CHECK(page->top.offset == page->messages.size());
        for (const Publication& message : mine.take()) {
            if (message->position.offset < next) continue;  // both in the page and in the inbox
            CHECK(message->position.offset == next++);
        }
    }
    done = true;
    publisher.join();
}

TEST_CASE_METHOD(SqliteFixture, "too much that waits is refused", "[sqlite]") {
    SECTION("by number") {
        settings.most_waiting = 1;
    }
    SECTION("by size") {
        settings.most_waiting_bytes = 700;
    }
    open();
    size_t refused = 0;
    std::vector<uint64_t> waiting;
    for (int i = 0; i < 1000; ++i) {
        const auto answer = broker->publish(draft("x"), {worker, ++ticket});
        if (!answer) {
            waiting.push_back(ticket);
            continue;
        }
        ++refused;
        CHECK(answer->status == Receipt::Status::unavailable);
        CHECK(answer->because == "too many messages wait for the disk");
    }
    for (const uint64_t number : waiting)
        CHECK(box.wait<Receipt>(number).status == Receipt::Status::accepted);
    CHECK(refused > 0);
    CHECK(broker->totals().disk->refused == refused);
    // The writer gives the places back after its answers.
    while (broker->totals().disk->waiting > 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    CHECK(publish("y").position.offset == waiting.size() + 1);
}
