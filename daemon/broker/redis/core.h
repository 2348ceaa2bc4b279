// What the broker's thread does: it takes what workers want, and gives them what comes from Redis.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "daemon/broker/delivered_notes.h"
#include "daemon/broker/redis/cursors.h"
#include "daemon/broker/redis/lanes.h"
#include "daemon/broker/redis/pages.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/broker/redis/subscriptions.h"
#include "daemon/broker/redis/uplink.h"

namespace wayleave {

// For the operator's log. `bad`: something does not work; else it works again.
using RedisReport = std::function<void(bool bad, const std::string& message)>;

class RedisCore final : public RedisUser {
  public:
    struct Changed {
        std::string channel;
    };
    struct Read {
        Query query;
        Ticket ticket;
    };
    struct Acknowledge {
        Cursor cursor;
        Ticket ticket;
    };
    struct Ask {
        Cursor cursor;
        Ticket ticket;
    };
    using Task = std::variant<RedisLanes::Waiting, Changed, Read, Acknowledge, Ask>;

    // What other threads are told of the server.
    class Standing {
      public:
        // Not empty: what is asked for is refused at once, in these words for clients.
        [[nodiscard]] std::string refusal() const;
        [[nodiscard]] bool refuses() const { return refuses_.load(std::memory_order_acquire); }
        // In words for the operator; empty: it is well.
        [[nodiscard]] std::string health() const;
        [[nodiscard]] bool up() const { return up_.load(std::memory_order_relaxed); }
        [[nodiscard]] int64_t server_ahead_ms() const { return ahead_ms_.load(std::memory_order_relaxed); }
        // Waits until it was ready once, or has failed; the fault, if it is one.
        [[nodiscard]] RedisFault first_outcome(int64_t most_ms);

      private:
        friend class RedisCore;
        mutable std::mutex mutex_;
        std::condition_variable known_;
        bool outcome_ = false;
        RedisFault fault_;
        std::string health_;
        std::atomic<bool> refuses_{false};
        std::atomic<bool> up_{false};
        std::atomic<int64_t> ahead_ms_{0};
    };

    RedisCore(RedisShared& shared, const RedisAccess& access, bool trust, size_t most_waiting,
              DeliveredNotes& notes, Standing& standing, RedisReport report, int64_t now_ms);

    void take(std::vector<Task> tasks);
    void turn(int64_t now_ms);
    [[nodiscard]] RedisUplink::Links& links() { return uplink_.links(); }
    // Nothing waits any more, or it would wait in vain.
    [[nodiscard]] bool idle() const;
    // What waits is refused, since nothing comes any more.
    void end(int64_t now_ms);

    void ready() override;
    void down(const RedisFault& fault) override;
    void failed(const RedisFault& fault) override;
    void forked() override { subscriptions_.forked(); }
    void heard(const std::string& channel, std::string_view payload) override {
        subscriptions_.heard(channel, payload);
    }
    void subscribed(const std::string& channel) override { subscriptions_.subscribed(channel); }
    void unsubscribed(const std::string& channel) override { subscriptions_.unsubscribed(channel); }

  private:
    void begin(RedisLanes::Waiting& waiting) { lanes_.add(std::move(waiting)); }
    void begin(Changed& changed) { subscriptions_.changed(changed.channel); }
    void begin(Read& read);
    void begin(Acknowledge& acknowledge);
    void begin(Ask& ask);
    void give_up();

    RedisShared& shared_;
    Standing& standing_;
    const RedisReport report_;
    RedisUplink uplink_;
    RedisLanes lanes_;
    RedisPages pages_;
    RedisSubscriptions subscriptions_;
    RedisCursors cursors_;
    int64_t down_since_ms_;
    std::string reported_;  // the fault that the operator was told of; empty: none
    int64_t reported_ms_ = 0;
};

}  // namespace wayleave
