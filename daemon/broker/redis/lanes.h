// Publications on their way to Redis. A lane has one call under way, so that a call that is repeated cannot
// change a channel's order, and the next batch gathers meanwhile: that is the group commit.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

class RedisLanes {
  public:
    struct Waiting {
        Draft draft;
        Ticket ticket;
        size_t bytes = 0;  // as the gate counts them
    };

    RedisLanes(RedisShared& shared, RedisCalls& calls) : shared_(shared), calls_(calls) {}

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
    struct Turn {
        Lane& lane;
        std::vector<Waiting> items;
        size_t open = 0;  // calls that are not answered
    };
    struct Run {  // items of a turn that go by one call of the script
        size_t begin = 0;
        size_t end = 0;
    };

    void begin(Lane& lane);
    void publish_plain(const std::shared_ptr<Turn>& turn, size_t index);
    void publish_run(const std::shared_ptr<Turn>& turn, Run run);
    void take_run(Turn& turn, Run run, const RedisReply& reply);
    void accept(const Waiting& waiting, std::string_view text);
    void answer(const Waiting& waiting, Receipt receipt);
    void close(const std::shared_ptr<Turn>& turn);

    RedisShared& shared_;
    RedisCalls& calls_;
    std::array<Lane, 8> lanes_;  // by partition; a server has one thread, so that more would not help
};

}  // namespace wayleave
