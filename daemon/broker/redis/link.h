// One connection to Redis, as a state machine: bytes and time go in, bytes and events come out. It knows no
// socket. In every state exactly one deadline is armed, so that no link waits for ever.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/broker/redis/reply.h"

namespace wayleave {

struct RedisAccess {
    std::string user;  // empty: the default user
    std::string password;
    uint32_t database = 0;
    std::string name;  // of this client, as CLIENT LIST shows it
};

// What a server says of itself.
struct RedisInfo {
    std::string run_id;  // another with each start
    std::string replid;  // of the data's line of descent
    bool only_replid = true;
    int64_t time_ms = 0;
};
[[nodiscard]] std::optional<RedisInfo> read_redis_info(std::string_view text);

// Why a server is not used.
struct RedisFault {
    std::string because;
    bool unfit = false;  // it will not become better by itself: the program must not start with it
};

class RedisLink {
  public:
    // The two that a server has, since who subscribes cannot ask; a third where publications wait for
    // replicas, since WAIT holds up what is asked behind it; and the two to a Sentinel.
    enum class Role : uint8_t { commands, subscriptions, publications, sentinel, sentinel_news };
    enum class State : uint8_t { waiting, opening, greeting, up };

    using Done = std::function<void(const RedisReply&)>;

    struct Up {
        RedisInfo info;
    };
    struct Down {
        RedisFault fault;
    };
    struct Answer {
        Done done;
        RedisReply reply;
    };
    struct Heard {
        std::string channel;
        std::string payload;
    };
    struct Subscribed {
        std::string channel;
    };
    struct Unsubscribed {
        std::string channel;
    };
    using Event = std::variant<Up, Down, Answer, Heard, Subscribed, Unsubscribed>;

    // `random`: numbers of which nothing is expected but that two nodes have others.
    RedisLink(Role role, RedisAccess access, std::function<uint64_t()> random);

    // --- for who has the socket ---
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] int64_t deadline_ms() const { return deadline_ms_; }
    // Waiting is over: a socket is to be opened.
    [[nodiscard]] bool wants_opening(int64_t now_ms) const;
    void open(int64_t now_ms);
    void opened(int64_t now_ms);  // bytes flow
    void received(std::string_view bytes, int64_t now_ms);
    void lost(const RedisFault& fault, int64_t now_ms);
    // While it waits: not before then.
    void rest_until(int64_t ms) {
        if (state_ == State::waiting) deadline_ms_ = std::max(deadline_ms_, ms);
    }
    void check(int64_t now_ms);
    [[nodiscard]] std::string& output() { return output_; }  // who has written some of it removes that

    // --- for who uses it ---
    [[nodiscard]] std::vector<Event> take_events();
    [[nodiscard]] bool has_events() const { return !events_.empty(); }
    [[nodiscard]] const RedisInfo& info() const { return info_; }  // of the greeting
    // Of a link that is not up the answer is lost at once. `done` is an event's, and never called from here.
    void ask(const RedisWords& words, Done done, int64_t now_ms);
    void subscribe(std::span<const std::string> channels, int64_t now_ms);
    void unsubscribe(std::span<const std::string> channels, int64_t now_ms);
    void subscribe_to_news(std::span<const std::string_view> channels, int64_t now_ms);
    // The server has proved to be of use: the next failure is the first.
    void settled() { failures_ = 0; }
    [[nodiscard]] size_t unanswered() const { return pending_.size(); }
    [[nodiscard]] uint64_t dials() const { return dials_; }

    static constexpr int64_t open_ms = 3000;     // to resolve, dial and greet
    static constexpr int64_t command_ms = 2000;  // the oldest that is not answered
    static constexpr int64_t quiet_ms = 1000;    // then something is asked, to see whether it is
    static constexpr int64_t most_wait_ms = 1000;

  private:
    enum class Step : uint8_t { plain, role, info, script, asked, subscribe, unsubscribe, ping };
    struct Pending {
        Step step = Step::asked;
        int64_t since_ms = 0;
        Done done = {};
        size_t left = 1;  // confirmations of a subscription
        std::string expected = {};
    };

    void greet(int64_t now_ms);
    void write(Step step, const RedisWords& words, int64_t now_ms, Done done = {}, size_t left = 1);
    void take(RedisReply& reply, int64_t now_ms);
    [[nodiscard]] bool take_pushed(RedisReply& reply, int64_t now_ms);
    void confirm(Step step, int64_t now_ms);
    void take_greeting(const Pending& step, const RedisReply& reply, int64_t now_ms);
    [[nodiscard]] bool of_sentinel() const { return role_ >= Role::sentinel; }
    [[nodiscard]] std::string refused(const RedisReply& reply) const;
    void close(const RedisFault& fault, int64_t now_ms);
    void arm(int64_t now_ms);

    const Role role_;
    const RedisAccess access_;
    const std::function<uint64_t()> random_;
    State state_ = State::waiting;
    int64_t deadline_ms_ = INT64_MIN;  // the first attempt waits for nothing
    int64_t spoke_ms_ = 0;
    unsigned failures_ = 0;
    uint64_t dials_ = 0;
    std::unique_ptr<RedisReplyReader> reader_;
    std::string output_;
    std::deque<Pending> pending_;
    std::vector<Event> events_;
    RedisInfo info_;
};

}  // namespace wayleave
