// What the parts of the Redis broker share on its thread, and what other threads see of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/counter.h"
#include "daemon/broker/channel_table.h"
#include "daemon/broker/redis/keys.h"
#include "daemon/broker/redis/reply.h"
#include "daemon/message/broker.h"

namespace wayleave {

// Written by the broker's thread, but for those that are told apart.
struct RedisCounters {
    Counter calls;
    Counter published;
    Counter batches;
    Counter duplicates;
    Counter received;
    Counter malformed;
    Counter repaired;
    Counter unrepaired;
    Counter resubscribed;
    Counter forks;
    Counter blind_ms;
    Counter questions_dropped;
    Counter unconfirmed;
    Gauge dials;
    Gauge subscriptions;
    Gauge probe_us;
    Gauge replicas;
    std::atomic<uint64_t> refused{0};  // any thread
};

// What waits, of all threads: publications, acknowledgements and questions.
class RedisGate {
  public:
    RedisGate(size_t most, size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

    [[nodiscard]] bool enter(size_t bytes) {
        if (waiting_.fetch_add(1, std::memory_order_relaxed) >= most_) {
            waiting_.fetch_sub(1, std::memory_order_relaxed);
            return false;
        }
        if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most_bytes_) return true;
        leave(bytes);
        return false;
    }
    void leave(size_t bytes) {
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    [[nodiscard]] size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

  private:
    const size_t most_;
    const size_t most_bytes_;
    std::atomic<size_t> waiting_{0};
    std::atomic<size_t> bytes_{0};
};

struct RedisShared {
    ChannelTable& table;
    RedisCounters& counters;
    RedisGate& gate;
    RedisKeys keys;
    uint64_t node = 0;  // 48 random bits: this process
    std::function<uint64_t()> random;
    std::string server;  // as the operator wrote it

    [[nodiscard]] std::string fresh_epoch() const {
        constexpr uint64_t bits = (uint64_t{1} << 48U) - 1;
        const uint64_t epoch = random() & bits;
        return epoch_text(epoch == 0 ? 1 : epoch);
    }
    void answer(const Ticket& ticket, BrokerAnswer what) const {
        table.inbox(ticket.worker).answered(ticket.number, std::move(what));
    }
};

// Why something came to nothing, as a client may read it: it names no server and no user.
[[nodiscard]] inline std::string words_of(const RedisReply& reply) {
    if (reply.error_is("OOM")) return "Redis is out of memory";
    if (reply.error_is("NOREPLICAS")) return "Redis has too few replicas";
    return reply.kind == RedisReply::Kind::lost ? "Redis has not answered"
                                                : "Redis answers what it should not";
}

}  // namespace wayleave
