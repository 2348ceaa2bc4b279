// What stands between workers: numbers and keeps the messages of channels, and brings a publication on one
// worker to the subscribers of all. Implemented in daemon/broker.
//
// Many questions are answered at once or later: a function that returns nothing answers through
// Inbox::answered(), under the ticket's number. It never blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/message/message.h"

namespace wayleave {

class Commons;

// How a channel keeps its messages. It comes with each call, since the broker knows no policy.
struct Retention {
    uint32_t history = 0;  // messages; 0: the channel is not numbered
    int64_t keep_ms = 0;
    int64_t dedup_ms = 0;

    friend bool operator==(const Retention&, const Retention&) = default;
};

struct Draft {
    std::string channel;
    std::string id;
    std::string members;            // see Text
    std::string key;                // of conflation; may be empty
    std::string dedup;              // who publishes and its id of the message; empty: none
    uint64_t except = 0;            // see Message
    std::optional<dsl::Lane> lane;  // likewise
    Retention retention;
    Now now;
};

// Whom an answer goes to: add_worker()'s number, and a number of the asker's own choice.
struct Ticket {
    uint32_t worker = 0;
    uint64_t number = 0;
    uint64_t client = 0;  // the session for which it is asked, so that each has its turn; 0: no client
};

// Of a publication or an acknowledgement.
struct Receipt {
    enum class Status : uint8_t {
        accepted,
        duplicate,    // the position is the first one's
        refused,      // it can never be accepted: see `because`
        unavailable,  // it was not accepted; it may be later
    };

    Status status = Status::accepted;
    Position position = {};
    std::string because = {};
};

// Which messages of a channel are wanted.
struct Query {
    std::string channel;
    Retention retention;
    std::optional<Position> since;  // those after it
    std::string user;      // and without `since`: those after this user's cursor; empty: those after the top
    bool oldest = false;   // and with neither: from the oldest that is kept
    bool rest = false;     // after a gap: what is left; else nothing, as if `since` were the top
    bool reverse = false;  // from the newest downwards: those before `since`, or all
    std::optional<Position> above = {};  // and of those the ones after it
    uint32_t limit = 100;
    size_t bytes = SIZE_MAX;  // of payload, about; at least one message is given, if there is one
    Now now;
};

struct Page {
    Position top;           // of the channel when the page was read; its epoch is never 0
    uint64_t after = 0;     // the page follows this offset
    bool recovered = true;  // false: messages are missing between what was asked for and the page
    bool more = false;      // that were asked for, but for `limit` and `bytes`
    std::vector<Publication> messages;
    std::string because;  // not empty: it could not be read
};

// A user's cursor in a channel with acknowledgements.
struct Cursor {
    std::string channel;
    std::string user;
    Position position;
    Retention retention;
    Now now;
};

// How far a user has come.
struct Progress {
    Position top;
    uint64_t delivered = 0;  // handed to the operating system, on any of the user's connections
    uint64_t acknowledged = 0;
    std::string because;  // not empty: it could not be read
};

// Who is in a channel: see Presence.
struct Roster {
    struct Entry {
        std::string user;
        uint32_t connections = 0;
    };
    std::vector<Entry> users;  // sorted by name
    uint64_t total = 0;        // of users, also where the list is cut
    uint64_t anonymous = 0;    // connections without a user
    std::string because;       // not empty: it could not be read
};

// Of a broker that keeps its messages on a disk.
struct DiskTotals {
    uint64_t commits = 0;
    uint64_t committed = 0;  // publications and acknowledgements in them
    uint64_t failures = 0;   // transactions that came to nothing
    uint64_t refused = 0;    // publications and acknowledgements, because too many waited
    uint64_t waiting = 0;    // of them, now
    uint64_t waiting_bytes = 0;
    uint64_t database_bytes = 0;
    uint64_t wal_bytes = 0;
    bool failing = false;  // the last transaction came to nothing
};

// Of replicas that are waited for.
struct ReplicaTotals {
    uint64_t keep_up = 0;
    uint64_t unconfirmed = 0;  // publications that too few of them had in time
};

// Of a broker on another machine.
struct LinkTotals {
    bool up = false;
    uint64_t dials = 0;       // attempts to connect
    uint64_t calls = 0;       // commands
    uint64_t published = 0;   // publications that were accepted
    uint64_t batches = 0;     // in so many calls
    uint64_t waiting = 0;     // publications and questions, now
    uint64_t refused = 0;     // because too many waited, or it was away
    uint64_t received = 0;    // messages of channels
    uint64_t malformed = 0;   // that were none of ours, or changed
    uint64_t repaired = 0;    // gaps in what came, that were read
    uint64_t unrepaired = 0;  // and those that could not be
    uint64_t subscriptions = 0;
    uint64_t resubscribed = 0;  // channels, after a connection was lost
    uint64_t forks = 0;         // that another generation had to begin
    uint64_t blind_ms = 0;      // in which nothing could be heard
    uint64_t probe_us = 0;      // the last one's way there and back
    std::optional<ReplicaTotals> replicas = {};
};

// For the metrics.
struct BrokerTotals {
    uint64_t channels = 0;  // that are numbered
    uint64_t messages = 0;  // kept in memory
    uint64_t bytes = 0;     // likewise
    uint64_t evicted = 0;   // messages that went before their time, since memory was short
    uint64_t duplicates = 0;
    uint64_t ids_evicted = 0;  // of deduplication: likewise
    std::optional<DiskTotals> disk = {};
    std::optional<LinkTotals> link = {};
};

using BrokerAnswer = std::variant<Receipt, Page, Progress, Roster>;

// A worker's letter box. Any thread may call; the worker is woken. Order per sender is kept.
class Inbox {
  public:
    virtual ~Inbox() = default;
    virtual void push(const Publication& publication) = 0;
    virtual void answered(uint64_t ticket, BrokerAnswer answer) = 0;
};

// All functions but add_worker(): any thread.
class Broker {
  public:
    virtual ~Broker() = default;

    // Before the threads start. The inbox must outlive the broker's last publication. Returns the worker's
    // number.
    virtual uint32_t add_worker(Inbox& inbox) = 0;

    // A worker subscribes to a channel when its first connection does, and leaves with its last. What is
    // accepted afterwards reaches its inbox: a page that is read then and the inbox together have no gap.
    virtual void subscribe(uint32_t worker, std::string_view channel) = 0;
    virtual void unsubscribe(uint32_t worker, std::string_view channel) = 0;
    // Whether any worker is subscribed now.
    [[nodiscard]] virtual bool heard(std::string_view channel) const = 0;

    // To the inbox of every worker that subscribed, the publisher's too, once it is kept as the retention
    // says. The publications on a channel arrive in the same order everywhere, which is that of their
    // offsets.
    virtual std::optional<Receipt> publish(Draft draft, Ticket ticket) = 0;

    // Between the two, of one thread, what `worker` publishes may wait, so that all of it goes out together.
    virtual void gather(uint32_t /*worker*/) {}
    virtual void hand_over(uint32_t /*worker*/) {}

    // To the inbox of every worker that subscribed, and kept nowhere: `$join` and `$leave`.
    virtual void announce(const Publication& message) = 0;

    virtual std::optional<Page> read(Query query, Ticket ticket) = 0;

    // Everything up to the position needs no further delivery to the user. A cursor never moves back.
    // Refused: a position of another epoch, or ahead of the top.
    virtual std::optional<Receipt> acknowledge(Cursor cursor, Ticket ticket) = 0;
    // A note for progress(); it may be lost with the process.
    virtual void delivered(Cursor cursor) = 0;
    virtual std::optional<Progress> progress(Cursor cursor, Ticket ticket) = 0;

    // Every 100 ms or so, by one caller: what has run out is forgotten.
    virtual void tick(Now now) = 0;

    [[nodiscard]] virtual BrokerTotals totals() const = 0;

    // What keeps it from working, in words for the operator; empty: nothing.
    [[nodiscard]] virtual std::string health() const { return {}; }

    // What this daemon has in common with others; null: it is alone.
    [[nodiscard]] virtual Commons* commons() { return nullptr; }

    // When all workers stand still, before their inboxes end: what waits is kept and answered, and afterwards
    // nothing is pushed any more.
    virtual void finish() {}
};

}  // namespace wayleave
