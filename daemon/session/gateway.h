// The pure heart of one worker: told what happened and what time it is, it says what is to be done. It owns
// the sessions, subscriptions and deadlines of its worker; it sees no socket, thread or clock. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/connection_view.h"
#include "daemon/decision/counters.h"
#include "daemon/decision/runtime.h"
#include "daemon/message/backend.h"
#include "daemon/message/broker.h"
#include "daemon/message/connection_slots.h"
#include "daemon/message/presence.h"
#include "daemon/session/actions.h"
#include "daemon/session/drain.h"
#include "daemon/session/reload_impact.h"
#include "daemon/session/send_queue.h"
#include "daemon/session/trace_filter.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/value.h"

namespace wayleave {

class BanTable;
class LimitTable;
class Notices;
struct ChannelSummary;
struct Farewell;
struct GatewayParts;

// What the gateways of all workers use.
struct GatewayShared {
    Broker& broker;
    Presence& presence;
    ConnectionSlots& slots;
    LimitTable& limits;
    BanTable& bans;
    Notices* notices = nullptr;  // null: nobody is told
    size_t workers = 1;          // that share what a backend is asked at one time
};

class Gateway {
  public:
    Gateway(uint32_t worker, const GatewayShared& shared, Counters& counters,
            std::shared_ptr<const Runtime> runtime);
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    // Events. After closed() the id is dead; every function ignores a dead id.
    [[nodiscard]] ConnectionId opened(const Peer& peer, Now now);
    // TLS is complete; before the first received().
    void secured(ConnectionId id, uint16_t version, std::shared_ptr<const std::string> certificate);
    void received(ConnectionId id, std::span<char> bytes, Now now);  // unmasks in place
    // The peer says nothing more. True: what it has asked is to be answered still, as long as owes_answer().
    [[nodiscard]] bool finished(ConnectionId id, Now now);
    [[nodiscard]] bool owes_answer(ConnectionId id) const;
    void closed(ConnectionId id, Now now);  // the transport is gone
    void answered(ConnectionId id, uint64_t question, Proof proof, Now now);
    // Delivers from the front on, as much as one write to a subscriber takes, and returns how many
    // publications that was. The sockets are to be offered what is queued before it is called again: who
    // reads is never judged by what it was not offered. 0: the allowance is used up.
    [[nodiscard]] size_t delivered(std::span<const Publication> publications, Allowance& allowance, Now now);
    // False: a backend takes what it says too slowly. It is not to be read from until actions().to_read has
    // it.
    [[nodiscard]] bool may_read(ConnectionId id) const;
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
    void backend_answered(uint64_t call, const BackendAnswer& answer, Now now);
    // What a backend answered to a notice of the session.
    void notice_answered(ConnectionId id, uint64_t session, std::string_view backend,
                         const BackendAnswer& answer, Now now);
    // What becomes of the connections to backends that actions().dials asks for; a number that is not known
    // any more is ignored. After upstream_gone() it is dead; before it comes upstream_finished() where the
    // backend has said its end, as by a FIN, rather than broken off.
    void upstream_connected(uint64_t number, Now now);
    void upstream_received(uint64_t number, std::span<char> bytes, Now now);
    void upstream_finished(uint64_t number, Now now);
    void upstream_gone(uint64_t number, const std::string& why, Now now);
    [[nodiscard]] bool upstream_may_read(uint64_t number) const;
    [[nodiscard]] std::string_view upstream_output(uint64_t number) const;
    void upstream_sent(uint64_t number, size_t bytes, Now now);
    // Those that are only kept for the next request: there are not many places left.
    void end_idle_upstreams();
    void handle_relayed(const RelayedMessage& relayed, Now now);
    void relay_reply(const RelayReply& answer, Now now);
    void carry_out(ApiOrder order, Now now);          // of an api, at this worker
    void order_done(const ApiOrder& order, Now now);  // at the worker that was asked
    // The worker, by its number, that has the session. It need not exist.
    [[nodiscard]] static uint32_t worker_of(uint64_t session);
    void evict(const SlotHolder& occupant, Now now);            // a newer connection has taken its place
    [[nodiscard]] size_t receivers(const Receivers& of) const;  // its sessions among them
    // Connections on changed routes are judged anew, some at each tick; see wayleave.route(5), RELOAD.
    void replace(std::shared_ptr<const Runtime> runtime, Now now);
    // Shows some connections from slot `next` on; true when all have been seen.
    [[nodiscard]] bool walk(size_t& next, const std::function<void(const OpenConnection&)>& see, Now now);
    // Likewise, of the channels that they are in.
    [[nodiscard]] bool walk_channels(size_t& next,
                                     const std::function<void(const ChannelSummary&)>& see) const;
    // Ends those that are chosen among the next `most`.
    [[nodiscard]] bool end(size_t& next, size_t most,
                           const std::function<bool(const OpenConnection&)>& choose, const Farewell& farewell,
                           Now now);
    // Tells of what these do, by actions().events, until it is called again.
    void watch(std::shared_ptr<const TraceFilters> filters);
    // Looks at some more connections; true when all have been seen. Changes nothing.
    [[nodiscard]] bool survey(const Runtime& candidate, ReloadImpact& survey, Now now);
    // Memory is short: forgets what can be made again, and closes the readers for whom most is waiting, until
    // half of all that waits is free.
    void shed(Now now);
    void tick(Now now);  // deadlines; at least every 100 ms
    // No new connections; $bye and close 1001, spread over drain_ms or all in one turn.
    void drain(Drain drain, Now now);

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
    void finish_event(Now now);
    void ruled(uint64_t call, const BackendAnswer& answer, Now now);
    void broker_answered(uint64_t ticket, BrokerAnswer answer, Now now);
    void set_gauges();

    std::unique_ptr<GatewayParts> parts_;
};

}  // namespace wayleave
