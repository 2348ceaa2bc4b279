// What a gateway hands out: to the edge, to other workers, to the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/base/event.h"
#include "daemon/decision/rejection.h"
#include "daemon/decision/runtime.h"
#include "daemon/message/api_body.h"
#include "daemon/message/backend.h"
#include "dsl/policy/value.h"

namespace wayleave {

// A credential that somebody else must be asked about: see TokenVerifier::ask.
struct CredentialQuestion {
    ConnectionId id;
    uint64_t number = 0;  // to be handed back with the answer
    std::shared_ptr<const Runtime> runtime;
    Credential credential;
    TokenVerifier::Asking asking = {};
};

// A request to a backend of the user's, on behalf of a session.
struct BackendCall {
    uint64_t number = 0;  // to be handed back with the answer
    std::shared_ptr<const Runtime> runtime = nullptr;
    BackendRequest request = {};
};

// A connection to a backend that is to be made. What becomes of it is told by Gateway::upstream_…().
struct UpstreamDial {
    uint64_t number = 0;
    std::shared_ptr<const Backend> backend;
};

// A connection to a backend that is over for us: these bytes are the last that it hears.
struct UpstreamGoodbye {
    uint64_t number = 0;
    std::string last;
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

// What an api asks of sessions, from worker to worker: see ApiOrders.
struct ApiOrder {
    enum class Kind : uint8_t { list, disconnect, subscribe, unsubscribe, count };

    Kind kind = Kind::list;
    // Whose request it is, and where it is answered.
    uint64_t serial = 0;
    uint32_t worker = 0;
    ConnectionId from = {};
    // How far it has come: at which worker, and there at which place.
    uint32_t next = 0;
    size_t place = 0;
    bool done = false;
    // Which sessions: that of the number, or those of the user, or those whose claim has the value.
    uint64_t session = 0;
    std::string user = {};
    std::string claim = {};
    dsl::Scalar value = {};
    // How they end.
    uint16_t code = 0;
    std::string because = {};
    bool reconnect = false;
    std::string channel = {};  // to enter, or to leave
    // What was found.
    size_t sessions = 0;
    size_t refused = 0;                    // of those that were to enter
    std::optional<Rejection> because_not;  // the first of them
    std::string listed = {};               // JSON
    std::vector<Receivers> receivers = {};
};

// What the edge is to do. Each connection stands in a list at most once. The edge works them off at the end
// of its loop turn and then clears them.
struct Actions {
    std::vector<ConnectionId> flush;            // has bytes to send: see output()
    std::vector<ConnectionId> abort;            // close the transport now, whatever is queued
    std::vector<CredentialQuestion> questions;  // the answers go to answered()
    std::vector<BackendCall> calls;             // the answers go to backend_answered()
    std::vector<RelayedMessage> relayed;        // for handle_relayed() of the worker that worker_of() names
    std::vector<RelayReply> replies;            // for relay_reply() of their worker
    std::vector<ApiOrder> orders;  // for carry_out() of worker `next`; done, or without one, for order_done()
    std::vector<UpstreamDial> dials;
    std::vector<ConnectionId> to_read;         // clients that may be read from again: see may_read()
    std::vector<uint64_t> upstreams_to_flush;  // have bytes to send: see upstream_output()
    std::vector<uint64_t> upstreams_to_read;   // may be read from again
    std::vector<uint64_t> upstreams_to_abort;  // nobody wants them any more
    std::vector<UpstreamGoodbye> upstreams_to_end;
    std::vector<Event> events;  // for the log; bounded, the counters have all
};

// What may still be delivered in a turn, so that the sockets are soon looked at again. What is delivered uses
// it up; the last publication may exceed it, since it goes to all its subscribers or to none.
struct Allowance {
    static constexpr size_t most_deliveries = 65'536;
    static constexpr size_t most_bytes = 64 << 20;

    // What so many deliveries cost if so many of them go to each reader at once, in deliveries that go alone:
    // it is the write to a socket that takes the time, and beside it a message takes a sixteenth at most.
    [[nodiscard]] static constexpr size_t cost(size_t of_deliveries, size_t together) {
        constexpr size_t part = 16;
        return of_deliveries * (part - 1 + together) / (part * together);
    }

    size_t deliveries = most_deliveries;  // that go alone
    size_t bytes = most_bytes;            // of all deliveries

    size_t delivered = 0;
    size_t stalled = 0;  // of those: to connections whose socket took no more already

    // As much as can be was delivered, and more than a quarter of it to readers who do not take it as fast.
    // They may read as fast as they can: then it is too much, and not they are too slow.
    [[nodiscard]] bool outruns() const { return used_up() && stalled * 4 > delivered; }
    [[nodiscard]] bool used_up() const { return deliveries == 0 || bytes == 0; }
    void use(size_t of_cost, size_t of_bytes, size_t of_deliveries) {
        delivered += of_deliveries;
        deliveries -= deliveries < of_cost ? deliveries : of_cost;
        bytes -= bytes < of_bytes ? bytes : of_bytes;
    }
};

}  // namespace wayleave
