// What one worker counts. Written by its thread alone, read by the metrics page: relaxed atomics.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "daemon/base/counter.h"
#include "daemon/base/histogram.h"
#include "daemon/base/reason.h"
#include "daemon/decision/alias_book.h"
#include "daemon/decision/decision_book.h"
#include "daemon/decision/message_book.h"

namespace wayleave {

struct Counters {
    Gauge connections;  // that are open: WebSockets and streams
    Gauge streams;      // of them: Server-Sent Events
    Gauge sockets;      // all, also those whose handshake is not complete
    Gauge subscriptions;
    Gauge channels;
    Gauge grants;                    // subscriptions that a grant made, and that end with it
    Gauge grant_bytes;               // what is remembered of them
    Counter grants_expired;          // subscriptions that ended with their grant
    Gauge generation;                // of the policy that decides
    Counter handshakes;              // answered 101
    Counter reevaluated;             // connections judged anew after a reload, that went on
    Counter unsubscribed_by_policy;  // subscriptions that a reload ended
    Counter ordered_in;              // subscriptions that the server made in the middle of a session
    Counter ordered_out;             // and those that it ended
    Counter closed_by_policy;        // connections that a reload ended
    Counter keys_gone;               // connections the key of whose token a reload had taken away
    Counter reauthenticated;         // `$auth` that was accepted
    Counter rechecks;                // times that a backend was to be asked again about a session
    Counter recheck_changed;         // of them: other claims
    Counter recheck_ended;           // of them: it is not known any more
    Counter recheck_failed;          // of them: without an answer that means anything
    Gauge recheck_bytes;             // credentials that are kept for it
    Counter alias_handshakes;        // of them: at an alias
    Counter expired_aliases;         // of them: at an alias past its date
    Counter compressed_handshakes;   // of them: with compression
    Counter inflated_messages;
    Counter inflated_bytes;   // that came out of them
    Counter deflated_frames;  // of the frames queued
    Counter streams_opened;
    Counter stream_events;         // publications queued to streams
    Counter posts;                 // messages that came by POST
    Counter api_requests;          // of an application's own servers
    Counter api_disconnected;      // connections that an api ended
    Counter api_replayed;          // answered as before, by their Idempotency-Key
    Counter stream_handshakes;     // with backends that took a stream
    Counter stream_refused;        // with those that did not
    Counter streams_lost;          // streams that a backend has closed, or that broke
    Counter stream_messages_in;    // of clients, handed to backends
    Counter stream_messages_out;   // of backends, for clients
    Counter stream_messages_lost;  // of clients, that waited for a stream in vain
    Counter tunnels_opened;        // WebSockets that were handed to backends
    Counter tunnels_refused;       // that no backend took
    Counter proxied_requests;      // plain requests that were passed on
    Counter proxied_reuses;        // of them, over a connection that an earlier one had left open
    Counter tunnel_bytes_in;       // of clients
    Counter tunnel_bytes_out;      // of backends
    Counter forwarded;             // messages that were taken for a backend
    Counter forward_failed;        // of them: without an answer that means anything
    Counter rulings;               // questions of rules with `by`
    Counter rulings_shared;        // asked while the same question was on its way
    Counter rulings_believed;      // answered by what the backend had said before
    Counter rulings_no;
    Counter rulings_failed;      // without an answer that means anything
    Counter vouched_lost;        // subscriptions that a backend did not allow when it was asked again
    Gauge vouched;               // subscriptions that a backend has allowed
    Gauge ruling_memory;         // answers that are believed
    Counter orders;              // answers of backends that ordered something, and might
    Counter orders_refused;      // answers of which one order was not permitted, or could not be read
    Counter orders_lost;         // publications among orders that the broker did not keep
    Gauge tunnels;               // WebSockets that are the backends'
    Gauge streams_folded;        // WebSockets to backends that are open
    Gauge stream_pending_bytes;  // that wait for one to open
    Gauge forward_bytes;         // of messages that backends have not answered yet
    Counter http_requests;       // answered with anything else
    Counter messages_in;
    Counter bytes_in;
    Counter publications;  // accepted from this worker's clients
    Counter deliveries;    // frames queued to subscribers
    Counter replayed;      // messages out of a history, to subscribers that catch up
    Counter conflated;     // messages that a newer one of their key replaced before they were delivered
    Counter unanswered;    // questions to the broker that were not answered in time
    Counter shed;          // readers closed to free memory
    Counter dropped;       // of them: left out again, since the reader is too slow
    Counter bytes_out;
    Gauge gathered_bytes;      // of channels with `conflate` or `batch`
    Gauge mailbox_messages;    // the edge counts: publications that are not delivered yet
    Gauge mailbox_bytes;       // likewise
    Counter publisher_pauses;  // the edge counts: times that a publisher was not read from, since it found no
                               // room
    Counter writes;            // the edge counts: calls of the transport's write
    Counter accepted;          // the edge counts: sockets accepted
    Counter accept_failures;   // the edge counts: descriptors exhausted and the like
    Counter accept_refused;    // the edge counts: closed at once because max_connections was reached
    Counter tls_failed;        // the edge counts: connections that ended before TLS was agreed
    Counter unknown_clients;   // of which a trusted proxy does not say from whom they are
    Counter proxy_refused;     // the edge counts: without a good header of the PROXY protocol
    Counter loop_turns;        // the edge counts; a watchdog sees that it moves
    Counter events_lost;       // lines for the log for which a turn had no room
    Counter shadow_compared;   // decisions that the shadow policy was asked about, too
    Counter shadow_differences;
    Counter shadow_skipped;    // it asks for facts that the connection never gave
    Histogram handshake_time;  // from the socket to 101, or to the head of a stream
    Histogram decision_time;   // the edge counts: what one reading from a socket led to; one in sixteen
    Histogram
        delivery_time;  // the edge counts: from the oldest publication of a batch to its last reader's socket
    Histogram broker_time;  // from a question to the broker to its answer, where it did not answer at once
    Histogram turn_time;    // the edge counts: for how long the loop was away from its sockets
    std::array<Counter, static_cast<size_t>(Reason::count_)> refused;
    DecisionBook decisions;
    AliasBook aliases;
    MessageBook messages;

    void refuse(Reason reason) { refused[static_cast<size_t>(reason)].add(); }
};

}  // namespace wayleave
