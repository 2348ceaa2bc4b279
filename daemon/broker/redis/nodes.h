// The nodes of the installation as this one knows them: it renews its lease, and hears who else has one.
// Whose lease is over is buried by any of the others; who was buried and lives begins anew under another id.
// On the broker's thread, but for what is told apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/message/commons.h"

namespace wayleave {

// Shorter ones are for tests.
struct RedisTimes {
    int64_t beat_ms = 3000;
    int64_t lease_ms = 10'000;
    int64_t judge_after_ms = 15'000;  // so long the own lease must have been whole
    int64_t renew_ms = 1'200'000;     // what expires after an hour is written anew
    int64_t seats_ms = 60'000;        // whether places are still held is asked
};

// What any thread sees of the nodes.
class RedisNodeBoard {
  public:
    void report(NodeReport report);
    [[nodiscard]] NodeList list(int64_t now_ms) const;
    // Something that others are waiting to hear.
    [[nodiscard]] bool take_news() { return news_.exchange(false, std::memory_order_acquire); }

  private:
    friend class RedisNodes;
    mutable std::mutex mutex_;
    NodeReport report_;
    NodeList list_;
    int64_t heard_ms_ = 0;  // when the list was; 0: never
    int64_t skewed_since_ms_ = 0;
    bool skewed_ = false;
    std::atomic<bool> news_{false};
};

class RedisNodes {
  public:
    // Who uses it hears of these.
    struct Listener {
        std::function<void()> renamed;                       // it was buried: `id` is another now
        std::function<void(const std::string& dead)> sweep;  // its traces are to be removed
    };

    RedisNodes(RedisShared& shared, RedisCalls& calls, const RedisTimes& times, RedisNodeBoard& board,
               Listener listener);

    void ready() { next_ms_ = 0; }
    void down() { under_way_ = false; }
    // Redis may have lost everything.
    void forked();
    void turn();
    // The program ends: others need not wait for the end of the lease. Answered within the gate's counting.
    void leave();

    [[nodiscard]] const std::string& id() const { return id_; }
    // Nobody can have buried it: what is written now comes before the end of its lease.
    [[nodiscard]] bool whole() const {
        return registered_ && calls_.now_ms() - answered_ms_ < times_.lease_ms - RedisLink::command_ms;
    }
    // Those that were buried lately.
    [[nodiscard]] const std::vector<std::string>& dead() const { return dead_; }
    // A sweep has come to its end.
    void swept(const std::string& dead);

  private:
    void beat(int64_t lease_ms);
    void heard(const RedisReply& reply);
    void buried();
    [[nodiscard]] bool take(const RedisReply& reply);
    void note_skew(NodeList& list);

    RedisShared& shared_;
    RedisCalls& calls_;
    const RedisTimes times_;
    RedisNodeBoard& board_;
    const Listener listener_;
    std::string id_;
    bool registered_ = false;
    bool under_way_ = false;
    bool left_ = false;
    bool renamed_ = false;
    uint64_t asked_ = 0;  // counts beats: an answer to an earlier one is late
    uint64_t buried_ = 0;
    int64_t next_ms_ = 0;
    int64_t answered_ms_ = INT64_MIN;  // the last beat
    int64_t whole_since_ms_ = 0;       // the own lease
    std::vector<std::string> dead_;
};

}  // namespace wayleave
