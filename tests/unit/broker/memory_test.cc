#include "daemon/broker/memory.h"

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
    void unseat(const Occupant& occupant) override {
        const std::lock_guard lock(mutex_);
        texts_.push_back("unseat " + std::to_string(occupant.session));
    }
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
