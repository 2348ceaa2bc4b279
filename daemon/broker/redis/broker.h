// The broker of many machines: channels are numbered and kept in Redis, which brings a publication on one
// node to the subscribers of all. README.md says what survives what.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/broker/redis/connection.h"
#include "daemon/broker/redis/core.h"
#include "daemon/broker/redis/sentinels.h"
#include "daemon/message/broker.h"
#include "daemon/message/commons.h"
#include "daemon/message/presence.h"
#include "dsl/text/result.h"

namespace wayleave {

struct RedisSettings {
    RedisTarget target;  // with Sentinels its host and port are theirs to say
    std::vector<RedisTarget> sentinels = {};
    std::string primary = {};  // what they call it
    RedisAccess sentinel_access = {};
    RedisAccess access = {};
    std::string prefix = "wayleave";
    bool trust_after_fork = false;
    size_t replicas = 0;                      // that must have a publication before it is answered
    size_t memory_bytes = size_t{64} << 20U;  // of the newest messages
    size_t most_waiting = 100'000;            // publications, acknowledgements and questions
    size_t most_waiting_bytes = size_t{64} << 20U;
    RedisTimes times = {};
    int64_t first_ms = 3000;  // to wait for the server at the start; then it goes on without it
};

class RedisBroker final : public Broker, private Commons {
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
    void gather(uint32_t worker) override;
    void hand_over(uint32_t worker) override;
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override;
    void announce(const Publication& message) override;
    std::optional<Page> read(Query query, Ticket ticket) override;
    std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) override;
    void delivered(Cursor cursor) override;
    std::optional<Progress> progress(Cursor cursor, Ticket ticket) override;
    void tick(Now now) override { (void)now; }
    [[nodiscard]] BrokerTotals totals() const override;
    [[nodiscard]] std::string health() const override { return standing_.health(); }
    [[nodiscard]] Commons* commons() override { return this; }
    void finish() override;

  private:
    // As workers see it: what they say is written down later, by the thread.
    class Rooms final : public Presence {
      public:
        explicit Rooms(RedisBroker& broker) : broker_(broker) {}
        void appear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                    Now now) override;
        void disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                       Now now) override;
        [[nodiscard]] std::optional<Roster> present(std::string_view channel, uint32_t limit,
                                                    Ticket ticket) override;
        void tick(Now now) override { (void)now; }

      private:
        RedisBroker& broker_;
    };

    class Slots final : public ConnectionSlots {
      public:
        explicit Slots(RedisBroker& broker) : broker_(broker) {}
        void take(std::string_view key, int64_t most, const SlotHolder& holder) override {
            broker_.add(RedisSeats::Take{std::string(key), most, holder});
        }
        void leave(std::string_view key, const SlotHolder& holder) override {
            broker_.add(RedisSeats::Leave{std::string(key), holder});
        }

      private:
        RedisBroker& broker_;
    };

    [[nodiscard]] std::string process() const override;
    void ask_nodes(std::string question, std::function<void(std::vector<NodeAnswer>)> done) override;
    void hear_nodes(NodeListener listener) override { add(RedisInquiries::Listen{std::move(listener)}); }
    void enter_place(PlaceWish wish, std::function<void(std::shared_ptr<const HeldPlace>)> done) override;
    void begin_ban(CommonBan ban) override { add(RedisBans::Begin{std::move(ban)}); }
    void lift_ban(std::string key) override { add(RedisBans::Lift{std::move(key)}); }
    void hear_bans(BanListener listener) override { core_.bans().hear(std::move(listener)); }
    void on_evict(std::function<void(const SlotHolder&)> evict) override {
        add(RedisCore::OnEvict{std::move(evict)});
    }
    [[nodiscard]] ConnectionSlots* slots() override { return &slots_; }
    [[nodiscard]] Presence* presence() override { return &rooms_; }
    void report(NodeReport report) override { board_.report(std::move(report)); }
    [[nodiscard]] NodeList nodes() const override;
    void use_token(TokenUse use, int64_t wall_ms, std::function<void(Use)> done) override;

    RedisBroker(const RedisSettings& settings, RedisReport report, Now now);

    void loop();
    void follow_sentinels(int64_t now_ms);
    void wait(int64_t now_ms);
    [[nodiscard]] std::vector<std::unique_ptr<RedisConnection>> connect_all();
    // `later`: hand_over() wakes the thread.
    void add(RedisCore::Task task, bool later = false);
    void wake() const;
    [[nodiscard]] std::vector<RedisCore::Task> take_tasks();
    [[nodiscard]] std::optional<std::string> refusal(size_t bytes);

    // In the order of birth; each uses those above it.
    const RedisSettings settings_;
    RedisTarget target_;  // where the primary is now
    RedisCounters counters_;
    RedisGate gate_;
    ChannelTable table_;
    DeliveredNotes notes_;
    RedisNodeBoard board_;
    Rooms rooms_{*this};
    Slots slots_{*this};
    RedisShared shared_;
    RedisCore::Standing standing_;
    RedisCore core_;
    std::vector<std::unique_ptr<RedisConnection>> connections_;  // of each link
    std::optional<RedisSentinels> sentinels_;
    int wake_fd_ = -1;

    std::mutex mutex_;
    std::vector<RedisCore::Task> tasks_;
    bool woken_ = false;  // since the thread took the tasks
    bool stop_ = false;

    // Each belongs to the thread of its worker.
    enum class Gathering : uint8_t { no, nothing, something };
    std::array<Gathering, 256> gathering_{};

    std::thread thread_;  // last: it uses all above
};

}  // namespace wayleave
