// Publications wait here until as many replicas have them as the settings say. Redis answers first and passes
// on afterwards: what no replica has is lost with the primary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

// Replicas that are connected and have said something lately, by `INFO replication`.
[[nodiscard]] size_t count_replicas(std::string_view info);

class RedisReplicas {
  public:
    // For the operator, each time that there come to be too few of them or enough again.
    using Report = std::function<void(bool enough, const std::string& message)>;
    // Empty: enough have it. Else why that is not known, in words for clients.
    using Done = std::function<void(const std::string& because)>;

    // `waiting`: calls by a link on which nothing else waits. `least` 0: nothing is waited for.
    RedisReplicas(RedisShared& shared, RedisCalls& calls, RedisCalls& waiting, size_t least, Report report);

    [[nodiscard]] bool wanted() const { return least_ > 0; }
    // Of all that has been answered by the time that this is, by the same link.
    void confirm(Done done);
    void ready() { next_ms_ = 0; }
    // Asks now and then how many there are, so that it is known before somebody publishes.
    void turn();

    // Less than half of broker.timeout's default: two follow each other before a publication is answered.
    static constexpr int64_t wait_ms = 800;

  private:
    void confirmed(const RedisReply& reply, const Done& done);
    void counted(size_t count);
    [[nodiscard]] int64_t patience_ms();

    RedisShared& shared_;
    RedisCalls& calls_;
    RedisCalls& waiting_;
    const size_t least_;
    const Report report_;
    bool late_ = false;       // too few had it the last time
    int64_t patient_ms_ = 0;  // when they were given the whole time
    bool too_few_ = false;    // as the operator knows it
    int64_t next_ms_ = 0;
};

}  // namespace wayleave
