// The broker inside one process: workers hear of each other's publications through their inboxes. What it
// keeps is in memory and ends with the process. It answers everything at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/message/broker.h"

namespace wayleave {

class History;

class MemoryBroker final : public Broker {
  public:
    // `most_bytes` are kept, about: messages, cursors, ids of deduplication and the channels that have them.
    // What is more makes the oldest go. Subscriptions and questions keep nothing.
    explicit MemoryBroker(size_t most_bytes = size_t{256} << 20);
    ~MemoryBroker() override;
    MemoryBroker(const MemoryBroker&) = delete;
    MemoryBroker& operator=(const MemoryBroker&) = delete;

    [[nodiscard]] uint32_t add_worker(Inbox& inbox) override;
    void subscribe(uint32_t worker, std::string_view channel) override;
    void unsubscribe(uint32_t worker, std::string_view channel) override;
    [[nodiscard]] bool heard(std::string_view channel) const override;
    std::optional<Receipt> publish(Draft draft, Ticket ticket) override;
    void announce(const Publication& message) override;
    std::optional<Page> read(Query query, Ticket ticket) override;
    std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) override;
    void delivered(Cursor cursor) override;
    std::optional<Progress> progress(Cursor cursor, Ticket ticket) override;
    void tick(Now now) override;
    [[nodiscard]] BrokerTotals totals() const override;

  private:
    struct Channel;
    struct Stripe;

    // Notes what a change to a channel costs or frees.
    class Change;

    [[nodiscard]] Stripe& stripe_of(std::string_view channel) const;
    [[nodiscard]] Channel& numbered(Stripe& stripe, std::string_view channel, Now now) const;
    void push(const Channel* channel, const Publication& message) const;
    void make_room_for_id(Stripe& stripe, Channel& published);
    [[nodiscard]] Receipt publish_kept(Draft draft, Stripe& stripe);
    [[nodiscard]] bool move_cursor(const Cursor& cursor, bool (History::*move)(const Cursor&));
    [[nodiscard]] bool too_full() const;
    bool drop_message(Stripe& stripe, Channel& channel);
    void drop_something(Stripe& stripe, Channel& channel);
    void make_room(Stripe& stripe, Channel& published);
    void make_room_anywhere();
    void forget_if_idle(Stripe& stripe, std::string_view name);
    void sweep(Stripe& stripe, Now now);

    std::vector<Inbox*> inboxes_;  // by worker; fixed before the threads start
    const size_t most_bytes_;
    // Of all that is kept: messages, cursors, ids, and the channels that have them.
    std::atomic<size_t> bytes_{0};
    std::atomic<size_t> messages_{0};
    std::atomic<size_t> channels_{0};
    std::atomic<size_t> next_eviction_{0};
    std::unique_ptr<Stripe[]> stripes_;
    size_t next_sweep_ = 0;
};

}  // namespace wayleave
