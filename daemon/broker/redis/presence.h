// Who is in which channel, over all nodes. Each node counts its own connections, and writes down how many
// they are when that changes; who is the first of a user, or the last, is told by the script that writes it.
// On the broker's thread.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/nodes.h"
#include "daemon/broker/redis/shared.h"
#include "daemon/message/presence.h"

namespace wayleave {

class RedisPresence {
  public:
    // Whether what is published in a channel now reaches who listens here: else it is waited for, so that
    // who comes hears his own `$join`.
    using Live = std::function<bool(std::string_view channel)>;

    RedisPresence(RedisShared& shared, RedisCalls& calls, const RedisNodes& nodes, int64_t renew_ms,
                  Live live);

    struct Stay {
        std::string channel;
        std::string user;
        PresenceRules rules;
        bool begins = false;
    };
    void changed(const Stay& stay);
    void present(const std::string& channel, uint32_t limit, const Ticket& ticket);
    // `$join` was heard: whatever becomes of the answer to who wrote it.
    void joined(std::string_view channel, std::string_view user);

    void turn();
    // Of questions that wait: their turn comes, and finds no link.
    void let_go();
    // All is written that can be.
    [[nodiscard]] bool idle() const { return under_way_ == 0 && (queue_.empty() || !nodes_.whole()); }
    // What was asked is not answered any more.
    void down();
    // Redis may have lost everything. / Others take what this node wrote under its earlier id out.
    void forked() {
        down();
        write_anew(true);
    }
    void renamed() { write_anew(false); }
    // `done`: there are none left. Else another node tries.
    void sweep(const std::string& dead, std::function<void()> done);

  private:
    struct User {
        uint32_t connections = 0;
        uint32_t written = 0;  // of them, in Redis
        PresenceRules rules;
        int64_t gone_at_ms = 0;  // when to look whether the grace is over; 0: none is
        bool dirty = false;
        bool lost = false;       // written in an earlier generation
        bool under_way = false;  // it is being written
        bool unsure = false;     // its first writing was not answered: perhaps it was done
        bool joined = false;     // and then it was, since `$join` was heard
    };
    struct Room {
        StringMap<User> users;
        absl::flat_hash_set<std::string> dirty;  // names of users
        bool queued = false;
        bool under_way = false;
    };
    // Who has just come finds himself: it is asked when what is to be written has been. And what is told
    // afterwards is heard.
    struct Question {
        std::string channel;
        uint32_t limit = 0;
        Ticket ticket;
        int64_t since_ms = 0;
    };
    struct Leaving {
        int64_t at_ms = 0;
        std::string channel;
        std::string user;
    };
    static bool later(const Leaving& a, const Leaving& b);
    struct Sweep {
        std::string dead;
        uint32_t partition = 0;
        std::deque<std::string> channels;
        std::string cursor = "0";
        std::function<void()> done;
    };

    void mark(const std::string& channel, Room& room, const std::string& name, User& user);
    void queue(const std::string& channel, Room& room);
    void forget_unwritten(const std::string& channel, const std::string& name);
    void write_anew(bool lost);
    void renew();
    void look();
    void flush(const std::string& channel, Room& room);
    void flushed(const std::string& channel, const std::vector<std::string>& users,
                 const std::vector<uint32_t>& counts, const RedisReply& reply);
    void wait_for(const std::string& channel, const std::string& name, User& user, int64_t ms);
    void forget(const std::string& channel);
    [[nodiscard]] bool settled(const Question& question) const;
    void ask(const Question& question);
    void begin_sweep();
    void sweep_partition(const std::shared_ptr<Sweep>& sweep);
    void sweep_channel(const std::shared_ptr<Sweep>& sweep);
    void swept_some(const std::shared_ptr<Sweep>& sweep, const RedisReply& reply);
    void end_sweep();

    RedisShared& shared_;
    RedisCalls& calls_;
    const RedisNodes& nodes_;
    const int64_t renew_every_ms_;
    const Live live_;
    StringMap<std::unique_ptr<Room>> rooms_;  // those in which this node has somebody, or had and sees to it
    std::deque<std::string> queue_;           // rooms that have something to write
    std::vector<Leaving> leaving_;            // a heap: the soonest on top
    std::deque<std::string> renewing_;
    std::deque<Question> questions_;
    int64_t renew_ms_ = INT64_MAX;
    size_t under_way_ = 0;
    uint64_t stretch_ = 0;  // counts times that Redis was away: an answer of an earlier one is none
    std::deque<std::shared_ptr<Sweep>> sweeps_;
    bool sweeping_ = false;
};

}  // namespace wayleave
