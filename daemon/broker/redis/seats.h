// The connections of this node that have a place among so many, over all nodes. Redis says who has lost his;
// it is told to the node where he is, and each node asks again every minute, so that a word that was lost
// does not matter. Without Redis this node counts by itself. On the broker's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/nodes.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/message/connection_slots.h"

namespace wayleave {

class RedisSeats {
  public:
    using Evict = std::function<void(const SlotHolder&)>;

    RedisSeats(RedisShared& shared, RedisCalls& calls, const RedisNodes& nodes, int64_t ask_again_ms)
        : shared_(shared), calls_(calls), nodes_(nodes), ask_again_ms_(ask_again_ms) {}

    struct Take {
        std::string key;
        int64_t most = 1;
        SlotHolder holder;
    };
    struct Leave {
        std::string key;
        SlotHolder holder;
    };
    void take(const Take& take, const Evict& evict);
    void leave(const Leave& leave);
    // Another node says that a holder here has lost his place.
    void lost(std::string_view text, const Evict& evict);

    void turn(const Evict& evict);
    void down();
    // What others said until now was not heard: each place is asked about again.
    void listening() { write_anew(); }
    void forked() { write_anew(); }
    void renamed() { write_anew(); }

    static constexpr char word = 'E';  // with which such a message begins

  private:
    struct Seat {
        SlotHolder holder;
        std::string since;  // as Redis counts; empty: it has not said yet
        bool queued = false;
        bool under_way = false;
    };
    struct Places {
        int64_t most = 1;
        std::vector<Seat> seats;  // of this node, the oldest first
    };
    struct Due {
        std::string name;
        SlotHolder holder;
    };

    [[nodiscard]] Seat* find(const std::string& name, const SlotHolder& holder);
    void remove(const std::string& name, const SlotHolder& holder);
    [[nodiscard]] std::string text_of(const std::string& node, const SlotHolder& holder) const;
    void queue(const std::string& name, Seat& seat);
    void compact();
    void write_anew();
    void ask(const std::string& name, Places& places, Seat& seat, const Evict& evict);
    void answered(const std::string& name, const SlotHolder& holder, const std::string& who,
                  const RedisReply& reply, const Evict& evict);
    void evict_everywhere(const std::string& name, std::string_view who, const Evict& evict);

    RedisShared& shared_;
    RedisCalls& calls_;
    const RedisNodes& nodes_;
    const int64_t ask_again_ms_;
    size_t held_ = 0;           // places of this node
    StringMap<Places> places_;  // by the name of their key in Redis
    std::deque<Due> queue_;
    int64_t again_ms_ = 0;
    size_t under_way_ = 0;
    uint64_t stretch_ = 0;  // see RedisPresence
};

}  // namespace wayleave
