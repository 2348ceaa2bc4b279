// How many have a place among so many, over all nodes, where one more is refused. Redis has a count for each
// node, and gives out more while there is room; each node writes its own count whole, so that nothing that
// was lost stays wrong. Without Redis this node counts by itself. On the broker's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/nodes.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

class RedisPlaces {
  public:
    // False: all are taken. Else it is this node's, until leave().
    using Done = std::function<void(bool)>;

    RedisPlaces(RedisShared& shared, RedisCalls& calls, const RedisNodes& nodes, int64_t renew_ms)
        : shared_(shared), calls_(calls), nodes_(nodes), renew_every_ms_(renew_ms) {}

    struct Enter {
        std::string key;
        int64_t most = 1;
        Done done;
        bool asks = true;  // false: it is counted, and Redis is told of it later
    };
    struct Leave {
        std::string key;
    };
    void enter(Enter& wish);
    void leave(const Leave& left);

    void turn();
    // What was asked is not answered any more.
    void down();
    // Redis is away: who waits is counted here alone.
    void give_up();
    // Redis may have lost everything. / What this node wrote under its earlier id counts no more.
    void forked() { write_anew(); }
    void renamed();

  private:
    struct Asker {
        int64_t most = 1;
        Done done;
    };
    struct Count {
        uint64_t held = 0;     // by this node
        uint64_t written = 0;  // of them, in Redis, as far as is known
        std::deque<Asker> askers;
        size_t asking = 0;  // of them, in the call that is under way
        bool dirty = false;
        bool queued = false;
        bool under_way = false;
    };

    void queue(const std::string& name, Count& count);
    void compact();
    void forget_unused(const std::string& name);
    void write_anew();
    void admit_late();
    void admit_all(Count& count);
    void ask(const std::string& name, Count& count);
    void answered(const std::string& name, uint64_t had, const RedisReply& reply);

    RedisShared& shared_;
    RedisCalls& calls_;
    const RedisNodes& nodes_;
    const int64_t renew_every_ms_;
    StringMap<Count> counts_;  // by the name of their key in Redis; each has something that is not 0
    std::deque<std::string> queue_;
    std::vector<std::string> failed_;  // to be tried again
    int64_t try_again_ms_ = 0;
    int64_t renew_ms_ = 0;
    size_t waiting_ = 0;      // askers
    int64_t unsure_ms_ = -1;  // since when the own lease has not been whole; -1: it is
    size_t under_way_ = 0;
    uint64_t stretch_ = 0;  // see RedisPresence
};

}  // namespace wayleave
