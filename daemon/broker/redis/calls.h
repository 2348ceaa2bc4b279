// Calls of scripts over the commands' link. A script that the server has forgotten is loaded again, and a
// call that meets another generation waits until this node knows of it, unless it means nothing there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/counter.h"
#include "daemon/broker/redis/link.h"
#include "daemon/broker/redis/scripts.h"

namespace wayleave {

// What every script compares first: `RUN_ID REPLID GENERATION`, as it stands under the generation's key.
struct RedisGeneration {
    std::string held;

    [[nodiscard]] std::string word() const { return held.substr(held.rfind(' ') + 1); }
};

class RedisCalls {
  public:
    using Done = RedisLink::Done;

    RedisCalls(RedisLink& link, std::string generation_key, Counter& calls)
        : link_(link), generation_key_(std::move(generation_key)), calls_(calls) {}

    void set_now(int64_t now_ms) { now_ms_ = now_ms; }
    [[nodiscard]] int64_t now_ms() const { return now_ms_; }

    void ask(const RedisWords& words, Done done);
    // The generation's key and what it holds are put before these.
    void run(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> arguments,
             Done done);

    // Of this generation alone: in another one nothing is done, and the answer is the error FORK.
    void run_now(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> arguments,
                 Done done);

    // --- generations ---
    [[nodiscard]] bool met_another() const { return met_another_; }
    [[nodiscard]] const std::string& generation() const { return generation_.held; }
    // What has waited for it goes on.
    void set_generation(std::string held);
    void give_up(const std::string& because);

  private:
    struct Call {
        const RedisScript* script;
        std::vector<std::string> keys;
        std::vector<std::string> arguments;
        Done done;
        bool waits = true;  // for this node to know of another generation
        int loads = 0;
        int forks = 0;
    };

    void send(const std::shared_ptr<Call>& call);
    void answered(const std::shared_ptr<Call>& call, const RedisReply& reply);

    RedisLink& link_;
    const std::string generation_key_;
    Counter& calls_;
    RedisGeneration generation_;
    std::vector<std::shared_ptr<Call>> parked_;
    bool met_another_ = false;
    int64_t now_ms_ = 0;
};

}  // namespace wayleave
