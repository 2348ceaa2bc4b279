// One frame of `wayleave top`: what the daemon does in a second, and where. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/text/result.h"

namespace wayleave {

// What the control socket said at one moment, as JSON.
struct TopSample {
    int64_t at_ms = 0;  // steady time
    std::string status;
    std::string sessions;
    std::string channels;
};

struct TopFrame {
    struct Rate {
        std::string name;
        double a_second = 0;
    };
    struct Session {
        std::string session;
        std::string user;
        std::string route;
        uint64_t messages = 0;  // in both directions
        uint64_t waiting = 0;   // bytes that its socket has not taken
    };
    struct Channel {
        std::string channel;
        uint64_t subscribers = 0;
        double messages_a_second = 0;  // of a numbered one
    };
    struct Type {  // of messages of clients
        std::string route;
        std::string type;
        double a_second = 0;
    };
    std::string state;
    std::string version;
    std::string policy;
    uint64_t generation = 0;
    uint64_t uptime_s = 0;
    uint64_t connections = 0;
    uint64_t most_connections = 0;
    uint64_t channels_open = 0;
    uint64_t memory = 0;
    uint64_t budget = 0;
    uint64_t bans = 0;
    std::vector<Rate> rates;
    std::vector<Rate> refusals;  // those that there were between the samples, the most first
    std::vector<Session> slow;   // for whom the most waits, the most first
    std::vector<Session> busy;   // with the most messages between the samples
    std::vector<Channel> channels;
    std::vector<Type> types;  // those of which some came between the samples, the most first
};

// Error: a sample is not what a daemon of this version says.
[[nodiscard]] Result<TopFrame> top_frame(const TopSample& before, const TopSample& now);

[[nodiscard]] std::string json_of(const TopFrame& frame);
// At most so many lines; they are cut to `columns` by who shows them.
[[nodiscard]] std::vector<std::string> lines_of(const TopFrame& frame, size_t most);

}  // namespace wayleave
