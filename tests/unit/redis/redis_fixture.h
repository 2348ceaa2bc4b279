// Nodes with two workers each, over one redis-server.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/broker/redis/broker.h"
#include "tests/unit/broker/test_box.h"
#include "tests/unit/redis/redis_server.h"

namespace wayleave {

// Waits for what others bring about; false: it did not come in a time that is long for any machine.
inline bool comes(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

class RedisNode {
  public:
    explicit RedisNode(RedisSettings settings) {
        settings.first_ms = 20'000;
        auto opened = RedisBroker::open(
            settings,
            [this](RedisNews news, const std::string& message) {
                const bool bad = news == RedisNews::down || news == RedisNews::too_few_replicas;
                const std::lock_guard lock(mutex_);
                reports_.push_back((bad ? "bad: " : "good: ") + message);
            },
            read_clocks());
        if (!opened) {
            refused = opened.error().because;
            return;
        }
        broker = std::move(*opened);
        for (TestBox& box : boxes) (void)broker->add_worker(box);
    }
    ~RedisNode() { broker.reset(); }
    RedisNode(const RedisNode&) = delete;
    RedisNode& operator=(const RedisNode&) = delete;

    [[nodiscard]] bool up() const { return broker->totals().link->up; }
    std::string reports() {
        const std::lock_guard lock(mutex_);
        std::string out;
        for (const std::string& one : reports_) out += one + "\n";
        return out;
    }

    template <class T>
    T finish(std::optional<T> answer, uint32_t worker) {
        return answer ? std::move(*answer) : boxes.at(worker).wait<T>(ticket);
    }
    Draft draft(const std::string& text, const std::string& dedup = {}) const {
        Draft draft;
        draft.channel = channel;
        draft.id = text;
        draft.members = "\"text\":\"" + text + "\"";
        draft.dedup = dedup;
        draft.retention = retention;
        draft.now = read_clocks();
        return draft;
    }
    Receipt publish(const std::string& text, const std::string& dedup = {}) {
        return finish(broker->publish(draft(text, dedup), {0, ++ticket}), 0);
    }
    Query query() const {
        Query query;
        query.channel = channel;
        query.retention = retention;
        query.now = read_clocks();
        return query;
    }
    Page read(Query asked, uint32_t worker = 0) {
        return finish(broker->read(std::move(asked), {worker, ++ticket}), worker);
    }
    Page all(uint32_t worker = 0) {
        Query asked = query();
        asked.oldest = true;
        asked.limit = 1000;
        return read(asked, worker);
    }
    Page since(uint64_t epoch, uint64_t offset) {
        Query asked = query();
        asked.since = Position{epoch, offset};
        return read(asked);
    }
    // As a session does: subscribed, then read, which waits until it is live.
    Page join(uint32_t worker = 0) {
        broker->subscribe(worker, channel);
        return read(query(), worker);
    }
    Receipt acknowledge(const std::string& user, Position position) {
        return finish(broker->acknowledge({channel, user, position, retention, {}}, {0, ++ticket}), 0);
    }
    Progress progress(const std::string& user) {
        return finish(broker->progress({channel, user, {}, retention, {}}, {0, ++ticket}), 0);
    }

    std::string channel = "room";
    Retention retention{100, 3'600'000, 60'000};
    std::array<TestBox, 2> boxes;
    std::unique_ptr<RedisBroker> broker;
    std::string refused;
    uint64_t ticket = 0;

  private:
    std::mutex mutex_;
    std::vector<std::string> reports_;
};

inline RedisSettings settings_for(uint16_t port) {
    RedisSettings settings;
    settings.target.host = "127.0.0.1";
    settings.target.port = port;
    settings.prefix = "wl";
    settings.access.name = "wayleave-test";
    return settings;
}

}  // namespace wayleave
