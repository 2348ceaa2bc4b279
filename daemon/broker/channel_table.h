// The channels that are in use in this process: who subscribed, how far the numbering has come, and the
// newest messages, so that most pages need no disk. Thread-safe, striped. As large as there are
// subscriptions, drafts that wait, and messages within `most_bytes`.
//
// Order of locks: a stripe's, then an inbox's own. Nothing else is held with them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/broker.h"
#include "daemon/message/patient_inbox.h"

namespace wayleave {

class ChannelTable {
  public:
    // Whether all that is numbered passes through here, or others number as well: then what is asked for may
    // be newer than what has come.
    enum class Numbered : uint8_t { here, elsewhere };

    explicit ChannelTable(size_t most_bytes, Numbered numbered = Numbered::here);
    ~ChannelTable();
    ChannelTable(const ChannelTable&) = delete;
    ChannelTable& operator=(const ChannelTable&) = delete;

    // Before the threads start.
    uint32_t add_inbox(Inbox& inbox);
    [[nodiscard]] Inbox& inbox(uint32_t worker) const { return *inboxes_[worker]; }

    // True: it is the channel's first worker, or was its last.
    bool subscribe(uint32_t worker, std::string_view channel);
    bool unsubscribe(uint32_t worker, std::string_view channel);
    [[nodiscard]] bool heard(std::string_view channel) const;

    // --- drafts ---

    // A draft goes to the writer: what follows on its channel must not overtake it. Ended by accepted() or
    // let_go().
    void queue(std::string_view channel);
    // An unnumbered message, to the subscribers. False: it has to queue behind others, and is counted as
    // queue() does.
    bool push_or_queue(const Publication& message);
    // To the subscribers at once: of what stands in no order with publications.
    void announce(const Publication& message) const;

    // The writer's thread: a draft that waited is committed, at `at` of the AgeClock.
    void accepted(const Publication& message, int64_t at, uint32_t history);
    // The same, but those who hear it may sleep until wake(), or until many have come.
    void accepted_asleep(const Publication& message, int64_t at, uint32_t history);
    void wake();
    // The writer's, or who queued it: it came to nothing.
    void let_go(std::string_view channel);
    // Where the numbering stands, if anybody here was told.
    [[nodiscard]] std::optional<Position> told(std::string_view channel) const;
    [[nodiscard]] bool in_use(std::string_view channel) const;

    // --- what is numbered elsewhere ---

    // All that came up to this position has come, and what comes next will follow it.
    void stands(std::string_view channel, Position top);
    // What comes may not be all until stands(): pages are not taken from memory.
    void pause(std::string_view channel);
    // A publisher was told of it. A page that ends before it is no answer.
    void noted(std::string_view channel, Position position);
    // To the inboxes, in order with what is pushed: see Message::stands.
    void tell(std::string_view channel, Position top) const;

    // --- pages ---

    // From memory, if that suffices. Else nothing, and the channel is held until learnt() or given_up().
    std::optional<Page> read(const Query& query, int64_t now);
    // The reader's: where the numbering stood in the database after read() was called.
    void learnt(std::string_view channel, Position top);
    void given_up(std::string_view channel);

    [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    [[nodiscard]] uint64_t messages() const { return messages_.load(std::memory_order_relaxed); }

  private:
    struct Channel;
    struct Stripe;
    struct Kept {
        std::shared_ptr<Channel> channel;
        Position position;
    };

    [[nodiscard]] Stripe& stripe_of(std::string_view channel) const;
    void push(const Channel& channel, const Publication& message) const;
    void push_asleep(const Channel& channel, const Publication& message);
    template <class Push>
    void accept(const Publication& message, int64_t at, uint32_t history, Push deliver);
    void keep(const std::shared_ptr<Channel>& channel, const Publication& message, int64_t at,
              uint32_t history);
    void pop(Channel& channel);
    void clear(Channel& channel);
    void make_room();
    void compact();

    std::vector<Inbox*> inboxes_;         // by worker; its size is fixed, since a thread may push already
    std::vector<PatientInbox*> patient_;  // likewise; null: that inbox wakes at once
    uint32_t workers_ = 0;
    const Numbered numbered_;
    std::unique_ptr<Stripe[]> stripes_;
    const size_t most_bytes_;
    // The writer's alone: what is kept, in the order it came; some of it is gone already.
    std::deque<Kept> order_;
    // Likewise: whom wake() wakes, and how many messages came since it did.
    std::vector<PatientInbox*> asleep_;
    size_t unwoken_ = 0;
    std::atomic<uint64_t> bytes_{0};
    std::atomic<uint64_t> messages_{0};
};

}  // namespace wayleave
