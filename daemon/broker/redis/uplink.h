// The links to a server as one: greeted, of one generation, and proved by a message that came back. What
// breaks one closes all.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/link.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

// Who uses an uplink.
class RedisUser {
  public:
    virtual ~RedisUser() = default;
    virtual void ready() = 0;                          // also after each time that it was down
    virtual void down(const RedisFault& fault) = 0;    // it was ready
    virtual void failed(const RedisFault& fault) = 0;  // each time, ready or not
    virtual void forked() = 0;                         // another generation has begun
    virtual void heard(const std::string& channel, std::string_view payload) = 0;
    virtual void subscribed(const std::string& channel) = 0;
    virtual void unsubscribed(const std::string& channel) = 0;
};

class RedisUplink {
  public:
    struct Links {
        RedisLink commands;
        RedisLink subscriptions;
        std::optional<RedisLink> publications;  // of its own where they wait for replicas

        [[nodiscard]] std::vector<RedisLink*> all();
        void lost(const RedisFault& fault, int64_t now_ms);
    };
    struct Manner {
        // A server that was started anew, or replaced, is believed to have lost nothing.
        bool trust = false;
        bool waits = false;  // for replicas: publications have a link of their own
    };

    RedisUplink(RedisShared& shared, RedisUser& user, const RedisAccess& access, Manner manner);

    // Deals with what has come, and with deadlines.
    void turn(int64_t now_ms);

    [[nodiscard]] bool ready() const { return state_ == State::ready; }
    [[nodiscard]] RedisCalls& calls() { return calls_; }
    // By the link of publications, where they have one.
    [[nodiscard]] RedisCalls& waiting_calls() { return waiting_calls_ ? *waiting_calls_ : calls_; }
    void give_up_calls(const std::string& because);
    [[nodiscard]] Links& links() { return links_; }
    [[nodiscard]] int64_t server_ahead_ms() const { return server_ahead_ms_; }  // of our steady clock

  private:
    enum class State : uint8_t { down, checking, testing, ready };

    void take(RedisLink& link);
    [[nodiscard]] bool all_up() const;
    [[nodiscard]] bool met_another() const;
    void up();
    void close(const RedisFault& fault);
    void check_schema();
    void check_generation();
    void judge(const std::string& held);
    void adopt(const std::string& held);
    void settle(const std::string& held);
    void recheck();
    void test();
    void publish_test();
    void heard(RedisLink::Heard& heard);
    void probe();

    RedisShared& shared_;
    RedisUser& user_;
    const bool trust_;
    Links links_;
    std::vector<RedisLink*> all_;  // of them
    RedisCalls calls_;
    std::optional<RedisCalls> waiting_calls_;
    const std::string probe_channel_;
    State state_ = State::down;
    RedisInfo info_;
    bool rechecking_ = false;
    int adoptions_ = 0;
    std::deque<std::string> left_;  // generations from which this node has gone on to another
    int64_t server_ahead_ms_ = 0;
    uint64_t probe_ = 0;     // the one that is under way
    int64_t probed_us_ = 0;  // when that was sent; 0: none is
    int64_t next_probe_ms_ = 0;
    int64_t late_ms_ = 0;  // when what is under way is
};

}  // namespace wayleave
