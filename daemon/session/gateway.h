// The pure heart of one worker: told what happened and what time it is, it says what is to be done. It owns
// the sessions, subscriptions and deadlines of its worker; it sees no socket, thread or clock. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/base/event.h"
#include "daemon/base/now.h"
#include "daemon/decision/counters.h"
#include "daemon/decision/runtime.h"
#include "daemon/message/broker.h"
#include "daemon/session/send_queue.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/value.h"

namespace wayleave {

class BanTable;
class LimitTable;

// A credential that somebody else must be asked about: see TokenVerifier::ask.
struct CredentialQuestion {
    ConnectionId id;
    uint64_t number = 0;  // to be handed back with the answer
    std::shared_ptr<const Runtime> runtime;
    Credential credential;
};

struct Identified;

// A message that came by POST for the session of a stream, which may be another worker's.
struct RelayedMessage {
    uint64_t session = 0;
    // Who brings it, as the door knows him, and where he waits for the answer.
    std::string route = {};
    std::string user = {};
    bool has_token = false;
    // Of a token: what an `$auth` without one shows, as this runtime knows it.
    std::shared_ptr<const Identified> who = nullptr;
    std::shared_ptr<const Runtime> runtime = nullptr;
    uint32_t worker = 0;
    ConnectionId from = {};
    uint64_t number = 0;
    std::string message = {};
};

struct RelayReply {
    uint32_t worker = 0;
    ConnectionId to;
    uint64_t number = 0;
    int status = 0;  // 0: the policy says to drop it: the connection ends without an answer
    std::string body;
};

// An open connection as others may look at it, for the length of a call.
struct Seen {
    const Runtime& runtime;
    const dsl::Route& route;
    const dsl::Facts& facts;
    const dsl::Residual& residual;
    uint64_t number = 0;
    int64_t age_ms = 0;
    std::vector<std::string_view> channels;
    std::string_view user = {};  // empty: none, or its claim is secret
};

// What the edge is to do. Each connection stands in a list at most once. The edge works them off at the end
// of its loop turn and then clears them.
struct Actions {
    std::vector<ConnectionId> flush;            // has bytes to send: see output()
    std::vector<ConnectionId> abort;            // close the transport now, whatever is queued
    std::vector<CredentialQuestion> questions;  // the answers go to answered()
    std::vector<RelayedMessage> relayed;        // for handle_relayed() of the worker that worker_of() names
    std::vector<RelayReply> replies;            // for relay_reply() of their worker
    std::vector<Event> events;                  // for the log; bounded, the counters have all
};

// What may still be delivered in a turn, so that the sockets are soon looked at again. What is delivered uses
// it up; the last publication may exceed it, since it goes to all its subscribers or to none.
struct Allowance {
    static constexpr size_t most_deliveries = 65'536;
    static constexpr size_t most_bytes = 32 << 20;

    size_t deliveries = most_deliveries;
    size_t bytes = most_bytes;  // of all deliveries

    size_t delivered = 0;
    size_t stalled = 0;  // of those: to connections whose socket took no more already

    // As much as can be was delivered, and more than a quarter of it to readers who do not take it as fast.
    // They may read as fast as they can: then it is too much, and not they are too slow.
    [[nodiscard]] bool outruns() const { return used_up() && stalled * 4 > delivered; }
    [[nodiscard]] bool used_up() const { return deliveries == 0 || bytes == 0; }
    void use(size_t of_deliveries, size_t of_bytes) {
        delivered += of_deliveries;
        deliveries -= deliveries < of_deliveries ? deliveries : of_deliveries;
        bytes -= bytes < of_bytes ? bytes : of_bytes;
    }
};

// What a candidate policy would do to this worker's connections, counted.
struct ReloadImpact {
    size_t next = 0;  // how far it has come
    size_t connections = 0;
    size_t untouched = 0;  // on routes that do not change
    size_t staying = 0;    // judged anew, or kept, with all their channels
    size_t losing = 0;     // stay, and lose channels
    size_t ending = 0;     // may not connect any more
    size_t returning = 0;  // end, and are invited to come again
    size_t subscriptions_lost = 0;
    size_t channels_joined = 0;
    size_t keys_gone = 0;  // the key of whose token was taken away

    void add(const ReloadImpact& other);
};

class Gateway {
  public:
    Gateway(uint32_t worker, Broker& broker, LimitTable& limits, BanTable& bans, Counters& counters,
            std::shared_ptr<const Runtime> runtime);
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    // Events. After closed() the id is dead; every function ignores a dead id.
    [[nodiscard]] ConnectionId opened(const Peer& peer, Now now);
    // TLS is complete; before the first received().
    void secured(ConnectionId id, uint16_t version, std::shared_ptr<const std::string> certificate);
    void received(ConnectionId id, std::span<char> bytes, Now now);  // unmasks in place
    void closed(ConnectionId id, Now now);                           // the transport is gone
    void answered(ConnectionId id, uint64_t question, Proof proof, Now now);
    // Delivers from the front on, as much as one write to a subscriber takes, and returns how many
    // publications that was. The sockets are to be offered what is queued before it is called again: who
    // reads is never judged by what it was not offered. 0: the allowance is used up.
    [[nodiscard]] size_t delivered(std::span<const Publication> publications, Allowance& allowance, Now now);
    // Publications find no room. True if the connection publishes: then it is not to be read from until
    // go_on(), and time does not pass for it.
    [[nodiscard]] bool hold(ConnectionId id);
    // Connections whose socket has not taken all.
    [[nodiscard]] size_t stalled() const;
    void go_on(ConnectionId id, Now now);
    void answered(uint64_t ticket, BrokerAnswer answer, Now now);  // by the broker
    // When release() has something to do: steady time; INT64_MAX: never.
    [[nodiscard]] int64_t release_at_ms() const;
    void release(Now now);  // what channels with `conflate` or `batch` have gathered
    void handle_relayed(const RelayedMessage& relayed, Now now);
    void relay_reply(const RelayReply& answer, Now now);
    // The worker, by its number, that has the session. It need not exist.
    [[nodiscard]] static uint32_t worker_of(uint64_t session);
    void evict(const SlotHolder& occupant, Now now);  // a newer connection has taken its place
    // Connections on changed routes are judged anew, some at each tick; see wayleave.route(5), RELOAD.
    void replace(std::shared_ptr<const Runtime> runtime, Now now);
    // Shows some connections from slot `next` on; true when all have been seen.
    [[nodiscard]] bool walk(size_t& next, const std::function<void(const Seen&)>& see, Now now);
    // Looks at some more connections; true when all have been seen. Changes nothing.
    [[nodiscard]] bool survey(const Runtime& candidate, ReloadImpact& survey, Now now);
    // Memory is short: forgets what can be made again, and closes the readers for whom most is waiting, until
    // half of all that waits is free.
    void shed(Now now);
    void tick(Now now);  // deadlines; at least every 100 ms
    // No new connections; $bye and close 1001, spread over drain_ms or all in one turn.
    void drain(bool at_once, Now now);

    [[nodiscard]] Actions& actions();

    // The connection's queue, or null for a dead id. After writing, consume() and tell sent().
    [[nodiscard]] SendQueue* output(ConnectionId id);
    void sent(ConnectionId id, size_t bytes, Now now);
    // The socket takes no more: a connection whose queue is then over its bounds is too slow and ends.
    void blocked(ConnectionId id, Now now);
    // All that is queued is the last of it: close the transport when it is written.
    [[nodiscard]] bool closing(ConnectionId id) const;

    [[nodiscard]] size_t sockets() const;  // also those whose handshake is not complete
    [[nodiscard]] bool drained() const;    // drain() was called and no socket is left

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
