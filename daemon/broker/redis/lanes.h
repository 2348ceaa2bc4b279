// Publications on their way to Redis. A lane has one call under way, so that a call that is repeated cannot
// change a channel's order, and the next batch gathers meanwhile: that is the group commit.
//
// Where replicas are waited for, what is kept has lanes and a link of its own, which go in rounds: a call of
// each, and one WAIT behind them. What is not kept goes on beside them.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/replicas.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

class RedisLanes {
  public:
    struct Waiting {
        Draft draft;
        Ticket ticket;
        size_t bytes = 0;  // as the gate counts them
    };

    // `waiting`: calls by a link on which nothing waits but what `replicas` confirms.
    RedisLanes(RedisShared& shared, RedisCalls& calls, RedisCalls& waiting, RedisReplicas& replicas)
        : shared_(shared), calls_(calls), waiting_(waiting), replicas_(replicas) {}

    void add(Waiting waiting);
    // What waits goes, where its lane is free.
    void flush();
    // What waits is refused; what is under way is answered by the link that breaks.
    void give_up(const std::string& because);
    [[nodiscard]] bool empty() const;

  private:
    struct Lane {
        std::deque<Waiting> waiting;
        bool busy = false;
    };
    // A server has one thread, so that more would not help.
    using Lanes = std::array<Lane, 8>;  // by partition
    struct Turn {
        Lane& lane;
        std::vector<Waiting> items;
        size_t open = 0;  // calls that are not answered
        bool kept = false;
        std::vector<Receipt> receipts = {};  // of what is kept, until it is confirmed
    };
    struct Run {  // items of a turn that go by one call of the script
        size_t begin = 0;
        size_t end = 0;
    };

    [[nodiscard]] static bool idle(const Lanes& lanes);
    std::shared_ptr<Turn> begin(Lane& lane, bool kept);
    void begin_round();
    void confirm();
    void confirmed(const std::string& because);
    void finish(Turn& turn, const std::string& because);
    void publish_plain(const std::shared_ptr<Turn>& turn, size_t index);
    void publish_run(const std::shared_ptr<Turn>& turn, Run run);
    void take_run(Turn& turn, Run run, const RedisReply& reply);
    [[nodiscard]] Receipt accept(const Waiting& waiting, std::string_view text);
    void answer(const Waiting& waiting, Receipt receipt);
    void close(const std::shared_ptr<Turn>& turn);

    RedisShared& shared_;
    RedisCalls& calls_;
    RedisCalls& waiting_;
    RedisReplicas& replicas_;
    Lanes lanes_;
    Lanes kept_;                                // for which replicas are waited
    std::vector<std::shared_ptr<Turn>> round_;  // of those lanes; empty: none is under way
    bool confirming_ = false;
};

}  // namespace wayleave
