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
#include "daemon/broker/redis/bans.h"
#include "daemon/broker/redis/cursors.h"
#include "daemon/broker/redis/inquiries.h"
#include "daemon/broker/redis/lanes.h"
#include "daemon/broker/redis/nodes.h"
#include "daemon/broker/redis/pages.h"
#include "daemon/broker/redis/places.h"
#include "daemon/broker/redis/presence.h"
#include "daemon/broker/redis/replicas.h"
#include "daemon/broker/redis/seats.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/broker/redis/subscriptions.h"
#include "daemon/broker/redis/uplink.h"

namespace wayleave {

// For the operator's log.
enum class RedisNews : uint8_t { down, connected, too_few_replicas, enough_replicas };
using RedisReport = std::function<void(RedisNews news, const std::string& message)>;

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
    // Before anybody takes a place.
    struct OnEvict {
        RedisSeats::Evict evict;
    };
    struct Present {
        std::string channel;
        uint32_t limit = 0;
        Ticket ticket;
    };
    struct UseToken {
        TokenUse use;
        int64_t keep_ms = 0;
        std::function<void(Commons::Use)> done;
    };
    struct Ask {
        Cursor cursor;
        Ticket ticket;
    };
    using Task = std::variant<RedisLanes::Waiting, Changed, Read, Acknowledge, Ask, UseToken,
                              RedisPresence::Stay, Present, RedisSeats::Take, RedisSeats::Leave,
                              RedisPlaces::Enter, RedisPlaces::Leave, RedisBans::Begin, RedisBans::Lift,
                              OnEvict, RedisInquiries::Ask, RedisInquiries::Answer, RedisInquiries::Listen>;

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

    struct Options {
        RedisAccess access = {};
        bool trust = false;
        size_t replicas = 0;  // that must have a publication before it is answered
        size_t most_waiting = 0;
        RedisTimes times = {};
    };
    RedisCore(RedisShared& shared, const Options& options, DeliveredNotes& notes, RedisNodeBoard& board,
              Standing& standing, RedisReport report, RedisInquiries::Send send, int64_t now_ms);

    void take(std::vector<Task> tasks);
    void turn(int64_t now_ms);
    [[nodiscard]] RedisBans& bans() { return bans_; }  // of it hear() alone
    [[nodiscard]] RedisUplink::Links& links() { return uplink_.links(); }
    // The program ends soon.
    void leave() {
        if (uplink_.ready()) nodes_.leave();
    }
    // Nothing waits any more, or it would wait in vain.
    [[nodiscard]] bool idle() const;
    // What waits is refused, since nothing comes any more.
    void end(int64_t now_ms);

    void ready() override;
    void down(const RedisFault& fault) override;
    void failed(const RedisFault& fault) override;
    void forked() override;
    void heard(const std::string& channel, std::string_view payload) override;
    void subscribed(const std::string& channel) override {
        if (channel == control_) return bans_.listening();
        if (channel == own_control_) return seats_.listening();
        subscriptions_.subscribed(channel);
    }
    void unsubscribed(const std::string& channel) override { subscriptions_.unsubscribed(channel); }

  private:
    void begin(RedisLanes::Waiting& waiting) { lanes_.add(std::move(waiting)); }
    void begin(Changed& changed) { subscriptions_.changed(changed.channel); }
    void begin(Read& read);
    void begin(Acknowledge& acknowledge);
    void begin(Ask& ask);
    void begin(UseToken& asked);
    void begin(RedisPresence::Stay& stay) { presence_.changed(stay); }
    void begin(OnEvict& asked) { evict_ = std::move(asked.evict); }
    void begin(RedisSeats::Take& wish) { seats_.take(wish, evict_); }
    void begin(RedisSeats::Leave& left) { seats_.leave(left); }
    void begin(RedisPlaces::Enter& wish) { places_.enter(wish); }
    void begin(RedisPlaces::Leave& left) { places_.leave(left); }
    void begin(RedisBans::Begin& ban) { bans_.begin(ban); }
    void begin(RedisBans::Lift& ban) { bans_.lift(ban); }
    void begin(RedisInquiries::Ask& asked) { inquiries_.ask(asked); }
    void begin(const RedisInquiries::Answer& answer) { inquiries_.answer(answer); }
    void begin(RedisInquiries::Listen& listen) { inquiries_.listen(listen); }
    void begin(Present& asked) { presence_.present(asked.channel, asked.limit, asked.ticket); }
    void deal(int64_t now_ms);
    void give_up();

    RedisShared& shared_;
    Standing& standing_;
    const RedisReport report_;
    RedisUplink uplink_;
    RedisReplicas replicas_;
    RedisLanes lanes_;
    RedisPages pages_;
    RedisSubscriptions subscriptions_;
    RedisCursors cursors_;
    RedisNodes nodes_;
    RedisPresence presence_;
    RedisSeats seats_;
    RedisPlaces places_;
    RedisBans bans_;
    RedisInquiries inquiries_;
    RedisSeats::Evict evict_ = [](const SlotHolder&) {};
    const std::string control_;      // the channel to all nodes
    const std::string own_control_;  // and to this one
    int64_t down_since_ms_;
    std::string reported_;  // the fault that the operator was told of; empty: none
    int64_t reported_ms_ = 0;
};

}  // namespace wayleave
