#include "daemon/broker/memory/broker.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>
#include <string>
#include <thread>

using namespace wayleave;

namespace {

// What was published, without what the broker says about it.
std::string text_of(const Publication& publication) {
    const std::string_view payload = publication->frame.payload();
    const size_t at = payload.find("},") + 2;
    return std::string(payload.substr(at, payload.size() - at - 1));
}

class Box final : public Inbox {
  public:
    void push(const Publication& publication) override {
        const std::lock_guard lock(mutex_);
        texts_.push_back(publication->channel + "=" + text_of(publication));
    }
    void answered(uint64_t, BrokerAnswer) override {}
    std::vector<std::string> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(texts_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

Draft publication(std::string channel, std::string text) {
    Draft draft;
    draft.channel = std::move(channel);
    draft.members = std::move(text);
    return draft;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a publication reaches the workers that subscribed, the publisher's too", "[broker]") {
    MemoryBroker broker;
    Box first;
    Box second;
    Box third;
    CHECK(broker.add_worker(first) == 0);
    CHECK(broker.add_worker(second) == 1);
    CHECK(broker.add_worker(third) == 2);
    broker.subscribe(0, "room");
    broker.subscribe(2, "room");
    broker.subscribe(1, "hall");

    (void)broker.publish(publication("room", "a"), {});
    (void)broker.publish(publication("nobody", "b"), {});
    CHECK(first.take() == Texts{"room=a"});
    CHECK(second.take().empty());
    CHECK(third.take() == Texts{"room=a"});

    broker.unsubscribe(0, "room");
    (void)broker.publish(publication("room", "c"), {});
    CHECK(first.take().empty());
    CHECK(third.take() == Texts{"room=c"});
}

TEST_CASE("subscribing twice delivers once, leaving twice does no harm", "[broker]") {
    MemoryBroker broker;
    Box box;
    const uint32_t worker = broker.add_worker(box);
    broker.subscribe(worker, "room");
    broker.subscribe(worker, "room");
    (void)broker.publish(publication("room", "a"), {});
    CHECK(box.take() == Texts{"room=a"});
    broker.unsubscribe(worker, "room");
    broker.unsubscribe(worker, "room");
    broker.unsubscribe(worker, "never");
    (void)broker.publish(publication("room", "b"), {});
    CHECK(box.take().empty());
}

TEST_CASE("names are compared whole", "[broker]") {
    MemoryBroker broker;
    Box box;
    const uint32_t worker = broker.add_worker(box);
    broker.subscribe(worker, std::string("a\0b", 3));
    (void)broker.publish(publication("a", "no"), {});
    (void)broker.publish(publication(std::string("a\0b", 3), "yes"), {});
    CHECK(box.take() == Texts{std::string("a\0b=yes", 7)});
}

TEST_CASE("publications of many threads arrive in one order everywhere", "[broker]") {
    constexpr int threads = 4;
    constexpr int each = 2000;
    MemoryBroker broker;
    std::vector<Box> boxes(3);
    for (Box& box : boxes) {
        const uint32_t worker = broker.add_worker(box);
        broker.subscribe(worker, "one");
        broker.subscribe(worker, "two");
    }
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t) {
        running.emplace_back([&broker, t] {
            for (int i = 0; i < each; ++i) {
                (void)broker.publish(
                    publication(i % 2 == 0 ? "one" : "two", std::to_string(t) + ":" + std::to_string(i)), {});
            }
        });
    }
    // Meanwhile others come and go on a channel of their own.
    std::atomic<bool> done{false};
    std::thread churn([&] {
        while (!done) {
            broker.subscribe(1, "churn");
            (void)broker.publish(publication("churn", "x"), {});
            broker.unsubscribe(1, "churn");
        }
    });
    for (auto& thread : running) thread.join();
    done = true;
    churn.join();

    std::vector<std::map<std::string, Texts>> seen;
    for (Box& box : boxes) {
        auto& by_channel = seen.emplace_back();
        for (const std::string& text : box.take()) by_channel[text.substr(0, text.find('='))].push_back(text);
        by_channel.erase("churn");
    }
    CHECK(seen[0]["one"].size() == threads * each / 2);
    CHECK(seen[0]["two"].size() == threads * each / 2);
    CHECK(seen[0] == seen[1]);
    CHECK(seen[0] == seen[2]);
}

namespace {

Draft kept(std::string channel, std::string members, std::string dedup = "") {
    Draft draft = publication(std::move(channel), std::move(members));
    draft.retention = {1000, 60'000, 60'000};
    draft.dedup = std::move(dedup);
    return draft;
}

size_t messages_in(MemoryBroker& broker, const std::string& channel) {
    Query query;
    query.channel = channel;
    query.oldest = query.rest = true;
    query.limit = 100'000;
    return broker.read(query, {})->messages.size();
}

}  // namespace

TEST_CASE("what is kept has a bound, and the channel that fills it pays first", "[broker]") {
    MemoryBroker broker(100'000);
    (void)broker.publish(kept("quiet", R"("n":1)"), {});
    const std::string large = "\"text\":\"" + std::string(1000, 'x') + "\"";
    for (int i = 0; i < 100; ++i) (void)broker.publish(kept("loud", large), {});
    CHECK(broker.totals().bytes <= 100'000);
    CHECK(broker.totals().evicted > 10);
    CHECK(messages_in(broker, "loud") > 60);  // all of it may be one channel's
    CHECK(messages_in(broker, "quiet") == 1);
    Query query;
    query.channel = "loud";
    query.user = "who was never here";
    CHECK_FALSE(broker.read(query, {})->recovered);
    // Many small ones: then it is whoever comes.
    for (int i = 0; i < 5000; ++i) (void)broker.publish(kept("c" + std::to_string(i), large), {});
    CHECK(broker.totals().bytes <= 100'000);
    CHECK(broker.totals().evicted > 4900);
}

TEST_CASE("ids of deduplication have a bound", "[broker]") {
    MemoryBroker broker;
    for (int i = 0; i < 20'000; ++i)
        (void)broker.publish(kept("one", R"("n":1)", "id" + std::to_string(i)), {});
    CHECK(broker.totals().ids_evicted == 20'000 - 16'384);
    CHECK(broker.publish(kept("one", R"("n":1)", "id19999"), {})->status == Receipt::Status::duplicate);
    CHECK(broker.publish(kept("one", R"("n":1)", "id0"), {})->status == Receipt::Status::accepted);
}

TEST_CASE("what has run out is swept away, and a channel with nothing left is forgotten", "[broker]") {
    MemoryBroker broker;
    Draft draft = kept("room", R"("n":1)", "id");
    draft.now = {1000, 1000};
    const Position first = broker.publish(std::move(draft), {})->position;
    for (int i = 0; i < 64; ++i) broker.tick({61'001, 61'001});
    CHECK(broker.totals().messages == 0);
    CHECK(broker.totals().bytes < 2000);
    CHECK(broker.totals().channels == 1);  // it keeps its numbering for a while
    for (int i = 0; i < 64; ++i) broker.tick({3'700'000, 3'700'000});
    CHECK(broker.totals().channels == 0);
    draft = kept("room", R"("n":1)");
    const Position again = broker.publish(std::move(draft), {})->position;
    CHECK(again.offset == 1);
    CHECK(again.epoch != first.epoch);
}

TEST_CASE("asking and listening keep nothing, however many names are asked for", "[broker]") {
    MemoryBroker broker;
    Box box;
    const uint32_t worker = broker.add_worker(box);
    for (int i = 0; i < 100'000; ++i) {
        const std::string name = "made/up/" + std::to_string(i);
        Query query;
        query.channel = name;
        query.retention = {100, 3'600'000, 0};
        query.oldest = query.rest = true;
        const auto page = broker.read(query, {});
        REQUIRE((page->top.epoch != 0 && page->top.offset == 0 && page->messages.empty()));
        REQUIRE(broker.acknowledge({name, "ann", page->top, query.retention, {}}, {})->status ==
                Receipt::Status::accepted);
        broker.delivered({name, "ann", page->top, query.retention, {}});
        if (i % 10 != 0) continue;
        broker.subscribe(worker, name);
        REQUIRE(broker.read(query, {})->top == page->top);  // the same to whoever asks
        broker.unsubscribe(worker, name);
    }
    CHECK(broker.totals().bytes == 0);
    CHECK(broker.totals().channels == 0);
}

TEST_CASE("who listens to a channel that keeps nothing hears of one numbering", "[broker]") {
    MemoryBroker broker;
    Box box;
    const uint32_t worker = broker.add_worker(box);
    Query query;
    query.channel = "quiet";
    query.retention = {100, 60'000, 0};
    broker.subscribe(worker, "quiet");
    const Position told = broker.read(query, {})->top;
    // Others are forgotten meanwhile, in all stripes.
    for (int i = 0; i < 1000; ++i) (void)broker.publish(kept("c" + std::to_string(i), R"("n":1)"), {});
    for (int i = 0; i < 64; ++i) broker.tick({3'700'000, 3'700'000});
    for (int i = 0; i < 64; ++i) broker.tick({7'700'000, 7'700'000});
    CHECK(broker.totals().channels == 0);
    CHECK(broker.read(query, {})->top == told);
    CHECK(broker.publish(kept("quiet", R"("n":1)"), {})->position == Position{told.epoch, 1});
}

TEST_CASE("made-up names, cursors and ids count, and make room for each other", "[broker]") {
    constexpr size_t most = 4 << 20;
    MemoryBroker broker(most);
    const std::string large = "\"text\":\"" + std::string(1000, 'x') + "\"";
    for (int i = 0; i < 50; ++i) (void)broker.publish(kept("room/good", large), {});
    SECTION("names") {
        for (int i = 0; i < 50'000; ++i) (void)broker.publish(kept("c" + std::to_string(i), R"("n":1)"), {});
        CHECK(broker.totals().channels < most / 1536);
        // One channel that has much is not emptied by many that have little.
        CHECK(messages_in(broker, "room/good") > 10);
    }
    SECTION("cursors") {
        for (int i = 0; i < 50'000; ++i) {
            const Receipt receipt = *broker.publish(kept("c" + std::to_string(i % 100), R"("n":1)"), {});
            (void)broker.acknowledge({"c" + std::to_string(i % 100),
                                      "user" + std::to_string(i),
                                      receipt.position,
                                      {1000, 60'000, 0},
                                      {}},
                                     {});
        }
    }
    SECTION("ids") {
        for (int i = 0; i < 50'000; ++i)
            (void)broker.publish(
                kept("c" + std::to_string(i % 1000), R"("n":1)", std::string(4000, 'u') + std::to_string(i)),
                {});
    }
    CHECK(broker.totals().bytes <= most);
    CHECK(broker.totals().evicted + broker.totals().ids_evicted > 0);
    for (int i = 0; i < 64; ++i) broker.tick({61'000, 61'000});
    for (int i = 0; i < 64; ++i) broker.tick({4'000'000, 4'000'000});
    CHECK(broker.totals().bytes == 0);
    CHECK(broker.totals().messages == 0);
    CHECK(broker.totals().channels == 0);
}
