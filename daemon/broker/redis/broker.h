// The broker of many machines: channels are numbered and kept in Redis, which brings a publication on one
// node to the subscribers of all. README.md says what survives what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/broker/redis/connection.h"
#include "daemon/broker/redis/core.h"
#include "daemon/message/broker.h"
#include "dsl/text/result.h"

namespace wayleave {

struct RedisSettings {
    RedisTarget target;
    RedisAccess access = {};
    std::string prefix = "wayleave";
    bool trust_after_fork = false;
    size_t memory_bytes = size_t{64} << 20U;  // of the newest messages
    size_t most_waiting = 100'000;            // publications, acknowledgements and questions
    size_t most_waiting_bytes = size_t{64} << 20U;
    int64_t first_ms = 3000;  // to wait for the server at the start; then it goes on without it
};

class RedisBroker final : public Broker {
  public:
    // Blocking, for `first_ms` at most. A server that is away is no failure; one that is of no use is.
    static Result<std::unique_ptr<RedisBroker>, RedisFault> open(const RedisSettings& settings,
                                                                 RedisReport report, Now now);
    ~RedisBroker() override;
    RedisBroker(const RedisBroker&) = delete;
    RedisBroker& operator=(const RedisBroker&) = delete;

    [[nodiscard]] uint32_t add_worker(Inbox& inbox) override;
    void subscribe(uint32_t worker, std::string_view channel) override;
    void unsubscribe(uint32_t worker, std::string_view channel) override;
    [[nodiscard]] bool heard(std::string_view channel) const override;  // on this node
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override;
    void announce(const Publication& message) override;
    std::optional<Page> read(Query query, Ticket ticket) override;
    std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) override;
    void delivered(Cursor cursor) override;
    std::optional<Progress> progress(Cursor cursor, Ticket ticket) override;
    void tick(Now now) override { (void)now; }
    [[nodiscard]] BrokerTotals totals() const override;
    [[nodiscard]] std::string health() const override { return standing_.health(); }
    void finish() override;

  private:
    RedisBroker(const RedisSettings& settings, RedisReport report, Now now);

    void loop();
    void wait(int64_t now_ms);
    void add(RedisCore::Task task);
    [[nodiscard]] std::vector<RedisCore::Task> take_tasks();
    [[nodiscard]] std::optional<std::string> refusal(size_t bytes);

    // In the order of birth; each uses those above it.
    const RedisSettings settings_;
    RedisCounters counters_;
    RedisGate gate_;
    ChannelTable table_;
    DeliveredNotes notes_;
    RedisShared shared_;
    RedisCore::Standing standing_;
    RedisCore core_;
    RedisConnection commands_;
    RedisConnection subscriptions_;
    int wake_fd_ = -1;

    std::mutex mutex_;
    std::vector<RedisCore::Task> tasks_;
    bool stop_ = false;

    std::thread thread_;  // last: it uses all above
};

}  // namespace wayleave
