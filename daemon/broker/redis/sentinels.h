// Who is the primary, as the Sentinels say. All are asked twice a second, over connections of their own, and
// one that publishes that it changes is asked at once. The news alone would not do: they are missed when a
// Sentinel dies with its primary. On the broker's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/broker/redis/connection.h"
#include "daemon/broker/redis/link.h"

namespace wayleave {

struct RedisPrimary {
    std::string host;
    uint16_t port = 0;

    friend bool operator==(const RedisPrimary&, const RedisPrimary&) = default;
};

// What one Sentinel says.
struct SentinelWord {
    RedisPrimary primary;
    uint64_t epoch = 0;  // of the configuration: the higher is the later
    int64_t at_ms = 0;
};

// The primary that those words name. In a failover they differ for a while: the later configuration counts,
// and of one age the primary that more name, and then one that is not `current`. Nothing: nobody has said
// any.
[[nodiscard]] std::optional<RedisPrimary> choose_primary(const std::vector<SentinelWord>& words,
                                                         const RedisPrimary& current);
// Of `SENTINEL get-master-addr-by-name` and `SENTINEL MASTER`.
[[nodiscard]] std::optional<RedisPrimary> read_primary(const RedisReply& reply);
[[nodiscard]] uint64_t read_config_epoch(const RedisReply& reply);

class RedisSentinels {
  public:
    RedisSentinels(const std::vector<RedisTarget>& targets, std::string primary, const RedisAccess& access,
                   const std::function<uint64_t()>& random);
    ~RedisSentinels();
    RedisSentinels(const RedisSentinels&) = delete;
    RedisSentinels& operator=(const RedisSentinels&) = delete;

    void turn(int64_t now_ms);
    [[nodiscard]] std::optional<RedisPrimary> primary(const RedisPrimary& current, int64_t now_ms) const;
    // Each has answered or failed. Before that nothing is wrong.
    [[nodiscard]] bool all_tried() const;
    // Why none is known, in words for the operator.
    [[nodiscard]] std::string trouble() const;

    // For who waits for the sockets.
    void want(std::vector<pollfd>& out) const;
    [[nodiscard]] int64_t wake_ms(int64_t now_ms) const;
    void ready(const pollfd* found, int64_t now_ms);

  private:
    struct Peer;
    static void take(Peer& peer);
    void hear(Peer& peer, int64_t now_ms);
    void ask(Peer& peer, int64_t now_ms);

    const std::string name_;
    std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace wayleave
