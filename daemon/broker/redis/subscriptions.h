// The channels that this node hears of: asked for, live, and left after a while. What comes on a numbered one
// is put in order: what Redis's publish and subscribe has lost is read.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/pages.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

class RedisSubscriptions {
  public:
    RedisSubscriptions(RedisShared& shared, RedisLink& link, RedisCalls& calls, RedisPages& pages)
        : shared_(shared), link_(link), calls_(calls), pages_(pages) {}
    ~RedisSubscriptions();
    RedisSubscriptions(const RedisSubscriptions&) = delete;
    RedisSubscriptions& operator=(const RedisSubscriptions&) = delete;

    // Workers have come to the channel, or all have left: the table says which.
    void changed(const std::string& channel);
    // A read of a channel that is asked for waits until it is live: what is published afterwards is heard.
    // False: it need not wait. The retention is noted.
    [[nodiscard]] bool wait(const Query& query, std::function<void()> then);

    void ready();
    void down();
    void forked();
    void turn();

    void subscribed(const std::string& redis_channel);
    void unsubscribed(const std::string& redis_channel);
    void heard(const std::string& redis_channel, std::string_view payload);
    // See RedisPages::Seen.
    [[nodiscard]] RedisPages::Age seen(const std::string& channel, const Page& page);
    // Nobody here listens to the channel, or what is published in it now comes.
    [[nodiscard]] bool hears(std::string_view channel) const {
        const auto it = channels_.find(channel);
        return it == channels_.end() || it->second->live;
    }
    // Of reads that wait: their turn comes, and finds no link.
    void let_go();

  private:
    struct Live {
        uint64_t number = 0;  // of this stay
        bool live = false;
        int64_t leave_ms = INT64_MAX;  // nobody listens; then it is left
        Retention retention;           // the longest that was asked for
        Position last;                 // that was pushed; epoch 0: none yet
        uint64_t before = 0;           // the epoch before its present one
        bool in_round = false;         // of tops_
        bool repairing = false;
        int64_t repaired_by_ms = 0;
        std::vector<RedisEntry> held;  // while it is repaired
        std::vector<std::function<void()>> waiting;
    };
    struct Due {
        int64_t at_ms = 0;
        std::string channel;
        uint64_t number = 0;  // see Live
    };

    [[nodiscard]] Live* find(std::string_view channel);
    [[nodiscard]] int64_t now_ms() const { return calls_.now_ms(); }
    void take(const std::string& channel, Live& live, const RedisEntry& entry);
    void push(const std::string& channel, Live& live, const RedisEntry& entry);
    void begin_epoch(const std::string& channel, Live& live, Position top, bool tell);
    void follow(const std::string& channel, Live& live);
    void repair(const std::string& channel, Live& live);
    void fetch(const std::string& channel, const Live& live);
    void fetched(const std::string& channel, const Page& page, const RedisPages::Ages& ages);
    void end_repair(const std::string& channel, Live& live, bool whole);
    void leave();
    void compare_tops();
    void take_tops(const std::vector<std::string>& channels, const RedisReply& reply);
    void take_top(const std::string& channel, Position top);

    RedisShared& shared_;
    RedisLink& link_;
    RedisCalls& calls_;
    RedisPages& pages_;
    StringMap<std::unique_ptr<Live>> channels_;
    std::vector<std::string> to_ask_;  // of Redis's, in one go
    std::deque<Due> leaving_;
    std::deque<Due> tops_;            // the round, by time
    std::deque<std::string> urgent_;  // before it
    size_t tops_under_way_ = 0;
    std::vector<std::string> repairing_;
    uint64_t numbers_ = 0;
    bool some_wait_ = false;  // perhaps
    int64_t compared_ms_ = 0;
    int64_t down_since_ms_ = 0;  // 0: it is not down
};

}  // namespace wayleave
