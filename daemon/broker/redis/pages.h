// Questions to Redis for pages. Many who ask the same at the same time share one call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/broker/turn_queue.h"

namespace wayleave {

class RedisPages {
  public:
    // What is known of the channel says how old a page is.
    enum class Age : uint8_t {
        newest,
        older,   // who asked after the call was sent asks again
        forked,  // of the numbering before the present one: everybody does
    };
    using Seen = std::function<Age(const std::string& channel, const Page& page)>;
    // With when each of the messages was kept, by Redis's clock.
    using Ages = std::vector<int64_t>;
    using Done = std::function<void(const Page&, const Ages&)>;

    RedisPages(RedisShared& shared, RedisCalls& calls, size_t most_waiting, Seen seen)
        : shared_(shared), calls_(calls), seen_(std::move(seen)), waiting_(most_waiting) {}

    // For a client. What was held in the table and the gate is let go with the answer.
    void read(Query query, Ticket ticket);
    // For the repair of a gap: before all clients.
    void fetch(Query query, Done done);
    void flush();
    void give_up(const std::string& because);

  private:
    struct Asked {
        Query query;
        Ticket ticket;
    };
    struct Call {
        std::vector<Asked> first;
        std::vector<Asked> late;  // that joined after it was sent
    };

    void begin(Asked asked);
    void send(const Query& query, Done done);
    void answered(const std::string& key, const Page& page);
    void answer(const Asked& asked, Page page);
    [[nodiscard]] Page page_of(const Query& query, const RedisReply& reply, Ages& ages);

    RedisShared& shared_;
    RedisCalls& calls_;
    const Seen seen_;
    TurnQueue<Asked> waiting_;
    StringMap<Call> calls_under_way_;  // by what they ask
};

}  // namespace wayleave
