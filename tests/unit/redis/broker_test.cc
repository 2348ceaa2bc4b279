#include <atomic>

#include "tests/unit/redis/redis_fixture.h"

using namespace wayleave;

TEST_CASE("publications of one node come to the workers of all, numbered and in order", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    RedisNode c(settings_for(server.port()));
    REQUIRE((a.up() && b.up() && c.up()));
    for (RedisNode* node : {&a, &b, &c}) {
        CHECK(node->join(0).top.offset == 0);
        CHECK(node->join(1).top.offset == 0);
    }
    const Receipt first = a.publish("a");
    CHECK(first.status == Receipt::Status::accepted);
    CHECK(first.position.offset == 1);
    CHECK(b.publish("b").position == Position{first.position.epoch, 2});
    CHECK(c.publish("c").position == Position{first.position.epoch, 3});
    for (RedisNode* node : {&a, &b, &c}) {
        for (TestBox& box : node->boxes) CHECK(brief(box.take(3)) == "1=a 2=b 3=c");
        CHECK(brief(node->all().messages) == "1=a 2=b 3=c");
        CHECK(node->all().top == Position{first.position.epoch, 3});
    }
    CHECK(a.all().messages[0]->frame.payload().starts_with(R"({"$":{"channel":"room","id":"a","at":)"));
}

TEST_CASE("without history nothing is numbered, and all nodes hear", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    for (RedisNode* node : {&a, &b}) {
        (void)node->join();  // so that it is live
        node->retention = {0, 0, 0};
    }
    const Receipt receipt = a.publish("x");
    CHECK(receipt.status == Receipt::Status::accepted);
    CHECK(receipt.position == Position{});
    CHECK(brief(a.boxes[0].take(1)) == "0=x");
    CHECK(brief(b.boxes[0].take(1)) == "0=x");
    CHECK(a.boxes[1].take().empty());
}

TEST_CASE("who has left hears nothing; who comes back soon is live at once", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    a.broker->unsubscribe(0, "room");
    CHECK(a.publish("a").position.offset == 1);
    CHECK(a.join().top.offset == 1);
    CHECK(a.publish("b").position.offset == 2);
    // The first may still have been on its way when the worker came back: the page has it, too.
    CHECK(comes([&] { return brief(a.boxes[0].take()).ends_with("2=b"); }));
    a.broker->unsubscribe(0, "room");
    CHECK(comes([&] { return a.broker->totals().link->subscriptions == 0; }));
    CHECK(a.publish("c").position.offset == 3);
    CHECK(a.join().top.offset == 3);
    CHECK(a.boxes[0].take().empty());
}

TEST_CASE("an id that was seen by any node is answered with the first one's position", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    const Receipt first = a.publish("a", "ann/1");
    const Receipt again = b.publish("b", "ann/1");
    CHECK(again.status == Receipt::Status::duplicate);
    CHECK(again.position == first.position);
    CHECK(b.publish("c", "ann/2").position.offset == 2);
    CHECK(brief(a.all().messages) == "1=a 2=c");
    b.channel = "hall";
    CHECK(b.publish("d", "ann/1").status == Receipt::Status::accepted);
    b.retention.history = 0;
    CHECK(b.publish("e", "x").position == Position{});
    CHECK(b.publish("f", "x").status == Receipt::Status::duplicate);
    b.retention.dedup_ms = 50;
    CHECK(b.publish("g", "short").status == Receipt::Status::accepted);
    CHECK(comes([&] { return b.publish("h", "short").status == Receipt::Status::accepted; }));
}

TEST_CASE("pages from the window and from Redis are the same", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisSettings settings = settings_for(server.port());
    settings.memory_bytes = GENERATE(size_t{0}, size_t{1} << 20U);
    RedisNode a(settings);
    a.retention.history = 10;
    (void)a.join();
    uint64_t epoch = 0;
    for (int i = 1; i <= 15; ++i) epoch = a.publish(std::to_string(i)).position.epoch;
    REQUIRE(a.boxes[0].take(15).size() == 15);
    CHECK(brief(a.all().messages) == "6=6 7=7 8=8 9=9 10=10 11=11 12=12 13=13 14=14 15=15");
    CHECK(a.read(a.query()).messages.empty());
    CHECK(a.read(a.query()).after == 15);
    CHECK(brief(a.since(epoch, 13).messages) == "14=14 15=15");
    CHECK(a.since(epoch, 13).recovered);
    CHECK(a.since(epoch, 15).recovered);
    CHECK(a.since(epoch, 5).messages.size() == 10);
    CHECK_FALSE(a.since(epoch, 4).recovered);
    CHECK(a.since(epoch, 4).after == 15);
    CHECK_FALSE(a.since(epoch + 1, 15).recovered);
    CHECK_FALSE(a.since(epoch, 16).recovered);
    Query asked = a.query();
    asked.since = Position{epoch, 4};
    asked.rest = true;
    CHECK(a.read(asked).messages.size() == 10);
    asked = a.query();
    asked.oldest = true;
    asked.limit = 2;
    CHECK(brief(a.read(asked).messages) == "6=6 7=7");
    CHECK(a.read(asked).more);
    asked.limit = 10;
    asked.bytes = 1;
    CHECK(brief(a.read(asked).messages) == "6=6");
    CHECK(a.read(asked).more);
    asked = a.query();
    asked.reverse = true;
    asked.limit = 3;
    CHECK(brief(a.read(asked).messages) == "15=15 14=14 13=13");
    asked.since = Position{epoch, 8};
    CHECK(brief(a.read(asked).messages) == "7=7 6=6");
    CHECK_FALSE(a.read(asked).more);
}

TEST_CASE("who has published reads his own message, though it has not come yet", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    (void)a.join();
    (void)b.join();
    for (int i = 1; i <= 200; ++i) {
        const Position position = a.publish("x").position;
        REQUIRE(a.since(position.epoch, position.offset).recovered);
        REQUIRE(a.all().top == position);
        // As a client does that goes on at another node.
        REQUIRE(b.since(position.epoch, position.offset).recovered);
    }
}

TEST_CASE("an empty channel has one epoch for all nodes, also for its first message", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    const Page page = a.all();
    CHECK(page.top.epoch != 0);
    CHECK(page.top.offset == 0);
    CHECK(b.all().top == page.top);
    CHECK(b.since(page.top.epoch, 0).recovered);
    CHECK(b.publish("a").position == Position{page.top.epoch, 1});
}

TEST_CASE("a user gets what was not acknowledged, at any node", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    uint64_t epoch = 0;
    for (int i = 1; i <= 5; ++i) epoch = a.publish(std::to_string(i)).position.epoch;
    CHECK(a.acknowledge("ann", {epoch, 3}).status == Receipt::Status::accepted);
    CHECK(b.acknowledge("ann", {epoch, 2}).status == Receipt::Status::accepted);  // it moves back for nobody
    CHECK(b.acknowledge("ann", {epoch, 6}).status == Receipt::Status::refused);
    CHECK(b.acknowledge("ann", {epoch + 1, 1}).status == Receipt::Status::refused);
    Query asked = b.query();
    asked.user = "ann";
    CHECK(brief(b.read(asked).messages) == "4=4 5=5");
    CHECK(b.progress("ann").acknowledged == 3);
    CHECK(b.progress("ann").top == Position{epoch, 5});
    a.broker->delivered({"room", "ann", {epoch, 5}, a.retention, {}});
    CHECK(a.progress("ann").delivered == 5);                         // noted
    CHECK(comes([&] { return b.progress("ann").delivered == 5; }));  // and written
    asked.user = "bob";
    CHECK(b.read(asked).messages.size() == 5);
}

TEST_CASE("what is too old is not given", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    (void)a.join();
    a.retention.keep_ms = 200;
    const uint64_t epoch = a.publish("a").position.epoch;
    CHECK(comes([&] { return a.all().messages.empty(); }));
    CHECK_FALSE(a.since(epoch, 0).recovered);
    CHECK(a.since(epoch, 1).recovered);
    CHECK(a.publish("b").position.offset == 2);
}

TEST_CASE("a session does not get its own message back, on its own node alone", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    RedisNode b(settings_for(server.port()));
    (void)a.join();
    (void)b.join();
    Draft sent = a.draft("x");
    sent.except = 42;
    sent.key = "k";
    (void)a.finish(a.broker->publish(sent, {0, ++a.ticket}), 0);
    const auto here = a.boxes[0].take(1);
    const auto there = b.boxes[0].take(1);
    CHECK(here.at(0)->except == 42);
    CHECK(there.at(0)->except == 0);
    CHECK(there.at(0)->key == "k");
    CHECK(a.all().messages.at(0)->frame.bytes() == here.at(0)->frame.bytes());
}

TEST_CASE("many threads on many nodes: few calls for many, one order, no offset twice", "[redis]") {
    NEEDS_REDIS();
    constexpr int each = 300;
    constexpr uint64_t all = 3 * 2 * each / 2;  // in each of two channels
    RedisServer server;
    std::vector<std::unique_ptr<RedisNode>> nodes;
    for (int i = 0; i < 3; ++i) {
        nodes.push_back(std::make_unique<RedisNode>(settings_for(server.port())));
        nodes.back()->retention.history = 100'000;
        for (const char* channel : {"one", "two"}) {
            nodes.back()->channel = channel;
            (void)nodes.back()->join(0);
            (void)nodes.back()->join(1);
        }
    }
    std::mutex mutex;
    std::map<std::string, std::map<uint64_t, std::string>> answered;
    std::vector<std::thread> running;
    for (size_t n = 0; n < nodes.size(); ++n) {
        for (uint32_t worker = 0; worker < 2; ++worker) {
            running.emplace_back([&, n, worker] {
                RedisNode& node = *nodes[n];
                for (int i = 0; i < each; ++i) {
                    Draft sent = node.draft(std::to_string(n) + ":" + std::to_string(worker) + ":" +
                                            std::to_string(i));
                    sent.channel = i % 2 == 0 ? "one" : "two";
                    (void)node.broker->publish(sent, {worker, 1'000'000 + static_cast<uint64_t>(i)});
                }
                for (int i = 0; i < each; ++i) {
                    const auto receipt =
                        node.boxes.at(worker).wait<Receipt>(1'000'000 + static_cast<uint64_t>(i));
                    const std::lock_guard lock(mutex);
                    answered[i % 2 == 0 ? "one" : "two"].emplace(
                        receipt.position.offset,
                        std::to_string(n) + ":" + std::to_string(worker) + ":" + std::to_string(i));
                }
            });
        }
    }
    for (auto& thread : running) thread.join();
    for (const char* name : {"one", "two"}) {
        CHECK(answered[name].size() == all);
        CHECK(answered[name].rbegin()->first == all);  // dense
    }
    uint64_t batches = 0;
    for (const auto& node : nodes) {
        batches += node->broker->totals().link->batches;
        for (TestBox& box : node->boxes) {
            std::map<std::string, std::map<uint64_t, std::string>> seen;
            std::map<std::string, uint64_t> last;
            for (const Publication& message : box.take(2 * all)) {
                REQUIRE(message->position.offset == ++last[message->channel]);
                const std::string text = brief({message});
                seen[message->channel].emplace(message->position.offset, text.substr(text.find('=') + 1));
            }
            CHECK(seen == answered);
        }
    }
    CHECK(batches < 2 * all);
}

TEST_CASE("who subscribes and then reads has no gap, whoever publishes", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode other(settings_for(server.port()));
    RedisNode mine(settings_for(server.port()));
    other.retention.history = mine.retention.history = 1'000;
    std::atomic<bool> done{false};
    std::thread publisher([&] {
        while (!done) (void)other.publish("x");
    });
    for (int round = 0; round < 60; ++round) {
        const Page page = mine.join(1);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        mine.broker->unsubscribe(1, "room");
        if (round % 20 == 19) CHECK(comes([&] { return mine.broker->totals().link->subscriptions == 0; }));
        uint64_t next = page.top.offset + 1;
        for (const Publication& message : mine.boxes[1].take()) {
            if (message->position.offset < next) continue;
            REQUIRE(message->position.offset == next++);
        }
    }
    done = true;
    publisher.join();
}

TEST_CASE("too much that waits is refused", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisSettings settings = settings_for(server.port());
    settings.most_waiting = 10;
    RedisNode a(settings);
    server.stop();
    size_t refused = 0;
    for (uint64_t i = 0; i < 100; ++i) {
        const auto receipt = a.broker->publish(a.draft("x"), {0, 1000 + i});
        if (receipt && receipt->because == "too many messages wait for Redis") ++refused;
    }
    CHECK(refused >= 90);
    CHECK(a.broker->totals().link->refused >= 90);
    server.resume();
    CHECK(comes([&] { return a.publish("y").status == Receipt::Status::accepted; }));
    CHECK(comes([&] { return a.broker->totals().link->waiting == 0; }));
}

TEST_CASE("what waits goes before the broker ends", "[redis]") {
    NEEDS_REDIS();
    RedisServer server;
    RedisNode a(settings_for(server.port()));
    for (uint64_t i = 0; i < 500; ++i) (void)a.broker->publish(a.draft("x"), {0, i});
    a.broker->finish();
    for (uint64_t i = 0; i < 500; ++i)
        REQUIRE(a.boxes[0].wait<Receipt>(i).status == Receipt::Status::accepted);
}
