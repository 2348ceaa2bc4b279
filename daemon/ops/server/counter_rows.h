// A row for each counter of a worker: what it is called and what it counts. What is added up of all workers,
// and what the metrics page shows, follow from these rows.
#pragma once

#include <array>
#include <cstddef>

#include "daemon/decision/counters.h"

namespace wayleave {

// One of the last two is set.
struct CounterRow {
    const char* name;
    const char* help;
    Counter Counters::*counter;
    Gauge Counters::*gauge;

    constexpr CounterRow(const char* name_in, const char* help_in, Counter Counters::*counter_in)
        : name(name_in), help(help_in), counter(counter_in), gauge(nullptr) {}
    constexpr CounterRow(const char* name_in, const char* help_in, Gauge Counters::*gauge_in)
        : name(name_in), help(help_in), counter(nullptr), gauge(gauge_in) {}
};

// Likewise, for what takes time.
struct TimedRow {
    const char* name;
    const char* help;
    Histogram Counters::*histogram;
};

inline constexpr auto timed_rows = std::to_array<TimedRow>({
    {"wayleave_handshake_seconds", "How long handshakes took, from the socket to the answer that lets in.",
     &Counters::handshake_time},
    {"wayleave_decision_seconds",
     "How long a worker was busy with what came from a socket at once, one reading in sixteen.",
     &Counters::decision_time},
    {"wayleave_delivery_seconds",
     "How long publications took from the broker to the sockets of their readers.", &Counters::delivery_time},
    {"wayleave_broker_seconds", "How long the broker took to answer, where it does not answer at once.",
     &Counters::broker_time},
    {"wayleave_loop_turn_seconds",
     "How long workers were away from their sockets, for each turn of their loops.", &Counters::turn_time},
});

inline constexpr auto counter_rows = std::to_array<CounterRow>({
    {"wayleave_connections", "WebSockets and streams that are open.", &Counters::connections},
    {"wayleave_streams", "Streams of Server-Sent Events that are open.", &Counters::streams},
    {"wayleave_sockets", "Sockets that are open, also those before their handshake.", &Counters::sockets},
    {"wayleave_subscriptions", "Subscriptions of connections to channels.", &Counters::subscriptions},
    {"wayleave_channels", "Channels with subscribers, counted by each worker.", &Counters::channels},
    {"wayleave_grants", "Subscriptions that a grant made, and that end with it.", &Counters::grants},
    {"wayleave_grant_bytes", "What is remembered of the grants of subscriptions.", &Counters::grant_bytes},
    {"wayleave_grants_expired_total", "Subscriptions that ended with their grant.",
     &Counters::grants_expired},
    {"wayleave_rechecks_total", "Times that a backend was to be asked again about a session.",
     &Counters::rechecks},
    {"wayleave_rechecks_changed_total", "Rechecks whose answer had other claims.",
     &Counters::recheck_changed},
    {"wayleave_rechecks_ended_total", "Rechecks that ended a session, which was not known any more.",
     &Counters::recheck_ended},
    {"wayleave_recheck_failures_total", "Rechecks without an answer that means anything; the session stays.",
     &Counters::recheck_failed},
    {"wayleave_recheck_bytes", "Credentials that are kept to ask about them again.",
     &Counters::recheck_bytes},
    {"wayleave_accepted_total", "Sockets accepted.", &Counters::accepted},
    {"wayleave_accept_failures_total", "Times that accepting failed, as when descriptors run out.",
     &Counters::accept_failures},
    {"wayleave_accept_refused_total",
     "Sockets closed at once: too many in all or of one source, or memory is short.",
     &Counters::accept_refused},
    {"wayleave_shed_total",
     "Clients that were closed to free memory: what waited for them, or for backends in their name.",
     &Counters::shed},
    {"wayleave_tls_failures_total", "Connections that ended before TLS was agreed.", &Counters::tls_failed},
    {"wayleave_unknown_clients_total", "Requests of which a trusted proxy did not say from whom they are.",
     &Counters::unknown_clients},
    {"wayleave_proxy_refused_total",
     "Connections to a listener with proxy_protocol without a good header from a trusted proxy.",
     &Counters::proxy_refused},
    {"wayleave_shadow_compared_total", "Decisions that the shadow policy was asked about, too.",
     &Counters::shadow_compared},
    {"wayleave_shadow_differences_total", "Decisions that the shadow policy would have made otherwise.",
     &Counters::shadow_differences},
    {"wayleave_shadow_skipped_total",
     "Decisions not compared, since the shadow policy asks for facts that the connection never gave.",
     &Counters::shadow_skipped},
    {"wayleave_handshakes_total", "WebSocket handshakes that were answered with 101.", &Counters::handshakes},
    {"wayleave_alias_handshakes_total", "Handshakes and plain requests at an alias.",
     &Counters::alias_handshakes},
    {"wayleave_expired_alias_handshakes_total", "Handshakes and plain requests at an alias past its date.",
     &Counters::expired_aliases},
    {"wayleave_compressed_handshakes_total", "Handshakes that agreed on compression.",
     &Counters::compressed_handshakes},
    {"wayleave_streams_opened_total", "Streams of Server-Sent Events that were opened.",
     &Counters::streams_opened},
    {"wayleave_stream_events_total", "Publications that were queued for streams.", &Counters::stream_events},
    {"wayleave_streams_folded", "WebSockets to backends that are open for streams.",
     &Counters::streams_folded},
    {"wayleave_stream_handshakes_total", "Handshakes with backends that took a stream.",
     &Counters::stream_handshakes},
    {"wayleave_stream_refusals_total", "Handshakes with backends that did not take a stream.",
     &Counters::stream_refused},
    {"wayleave_streams_lost_total", "Streams that a backend has closed, or that broke.",
     &Counters::streams_lost},
    {"wayleave_stream_messages_received_total", "Messages of clients that were handed to streams.",
     &Counters::stream_messages_in},
    {"wayleave_stream_messages_sent_total", "Messages of streams for clients.",
     &Counters::stream_messages_out},
    {"wayleave_stream_messages_lost_total", "Messages of clients that waited for a stream in vain.",
     &Counters::stream_messages_lost},
    {"wayleave_stream_pending_bytes", "What messages hold that wait for a stream to open.",
     &Counters::stream_pending_bytes},
    {"wayleave_proxied", "WebSockets that are handed to backends as a whole.", &Counters::tunnels},
    {"wayleave_proxied_total", "WebSockets that were handed to backends as a whole.",
     &Counters::tunnels_opened},
    {"wayleave_proxy_failures_total",
     "WebSockets and requests that a route with proxy could hand to no backend.", &Counters::tunnels_refused},
    {"wayleave_proxied_requests_total", "Plain requests that were passed on to backends.",
     &Counters::proxied_requests},
    {"wayleave_proxied_reuses_total",
     "Plain requests that went over a backend's connection that an earlier one had left open.",
     &Counters::proxied_reuses},
    {"wayleave_proxied_received_bytes_total", "Bytes of clients for backends.", &Counters::tunnel_bytes_in},
    {"wayleave_proxied_sent_bytes_total", "Bytes of backends for clients.", &Counters::tunnel_bytes_out},
    {"wayleave_forwarded_total", "Messages that were taken for a backend.", &Counters::forwarded},
    {"wayleave_forward_failures_total", "Messages to which a backend gave no answer that means anything.",
     &Counters::forward_failed},
    {"wayleave_rulings_total", "Questions of rules with by that a backend was asked.", &Counters::rulings},
    {"wayleave_rulings_shared_total", "Questions of rules with by that joined one on its way.",
     &Counters::rulings_shared},
    {"wayleave_rulings_believed_total", "Questions of rules with by that were answered by what is believed.",
     &Counters::rulings_believed},
    {"wayleave_rulings_refused_total", "Answers to rules with by that were a no.", &Counters::rulings_no},
    {"wayleave_ruling_failures_total", "Questions of rules with by that had no answer that means anything.",
     &Counters::rulings_failed},
    {"wayleave_ruling_memory", "Answers to rules with by that are believed for a while.",
     &Counters::ruling_memory},
    {"wayleave_vouched", "Subscriptions that a backend has allowed.", &Counters::vouched},
    {"wayleave_vouched_lost_total", "Subscriptions that a backend did not allow when it was asked again.",
     &Counters::vouched_lost},
    {"wayleave_forward_bytes", "What messages hold that backends have not answered yet.",
     &Counters::forward_bytes},
    {"wayleave_orders_total", "Answers of backends that ordered something that they may.", &Counters::orders},
    {"wayleave_orders_refused_total", "Answers of backends that ordered what they may not.",
     &Counters::orders_refused},
    {"wayleave_orders_lost_total", "Publications that backends ordered and the broker did not keep.",
     &Counters::orders_lost},
    {"wayleave_api_requests_total", "Requests of the HTTP API that came to a decision.",
     &Counters::api_requests},
    {"wayleave_api_disconnected_total", "Connections that an application's server ended by the HTTP API.",
     &Counters::api_disconnected},
    {"wayleave_ordered_subscriptions_total",
     "Subscriptions that the server made in the middle of a session: by a message, or by the HTTP API.",
     &Counters::ordered_in},
    {"wayleave_ordered_unsubscriptions_total", "Subscriptions that the server ended likewise.",
     &Counters::ordered_out},
    {"wayleave_api_replayed_total",
     "Requests of the HTTP API that were repeated with their Idempotency-Key, and got the first answer.",
     &Counters::api_replayed},
    {"wayleave_posts_total", "Messages that came by POST for a stream.", &Counters::posts},
    {"wayleave_reauthentications_total", "$auth messages that were accepted.", &Counters::reauthenticated},
    {"wayleave_reload_reevaluated_total", "Connections that were judged anew after a reload, and went on.",
     &Counters::reevaluated},
    {"wayleave_reload_unsubscribed_total", "Subscriptions that a reload ended.",
     &Counters::unsubscribed_by_policy},
    {"wayleave_reload_closed_total", "Connections that a reload ended.", &Counters::closed_by_policy},
    {"wayleave_reload_keys_gone_total", "Connections the key of whose token a reload had taken away.",
     &Counters::keys_gone},
    {"wayleave_http_requests_total",
     "Requests that asked for no WebSocket or were answered without one, such as those for files.",
     &Counters::http_requests},
    {"wayleave_messages_received_total", "Messages from clients.", &Counters::messages_in},
    {"wayleave_received_bytes_total", "Bytes from clients.", &Counters::bytes_in},
    {"wayleave_inflated_messages_total", "Messages that came compressed.", &Counters::inflated_messages},
    {"wayleave_inflated_bytes_total", "Bytes that came out of compressed messages.",
     &Counters::inflated_bytes},
    {"wayleave_deflated_frames_total", "Compressed frames that were queued for clients.",
     &Counters::deflated_frames},
    {"wayleave_publications_total", "Publications that were accepted.", &Counters::publications},
    {"wayleave_deliveries_total", "Frames that were queued for subscribers.", &Counters::deliveries},
    {"wayleave_dropped_total", "Frames that were left out, since the reader was too slow.",
     &Counters::dropped},
    {"wayleave_gathered_bytes", "What channels with conflate or batch hold back.", &Counters::gathered_bytes},
    {"wayleave_mailbox_messages", "Publications that the workers have not delivered yet.",
     &Counters::mailbox_messages},
    {"wayleave_mailbox_bytes", "Bytes of the publications that the workers have not delivered yet.",
     &Counters::mailbox_bytes},
    {"wayleave_publisher_pauses_total",
     "Times that a publisher was not read from, since a worker did not keep up.",
     &Counters::publisher_pauses},
    {"wayleave_replayed_total", "Messages out of histories, for subscribers that catch up.",
     &Counters::replayed},
    {"wayleave_conflated_total",
     "Messages that a newer one of their key replaced before they were delivered.", &Counters::conflated},
    {"wayleave_unanswered_total", "Questions that the broker did not answer in time.", &Counters::unanswered},
    {"wayleave_sent_bytes_total", "Bytes to clients.", &Counters::bytes_out},
    {"wayleave_writes_total", "Writes to sockets; deliveries divided by writes tell how well they join.",
     &Counters::writes},
});

consteval size_t row_of(Counter Counters::*member) {
    size_t i = 0;
    while (counter_rows[i].counter != member) ++i;
    return i;
}
consteval size_t row_of(Gauge Counters::*member) {
    size_t i = 0;
    while (counter_rows[i].gauge != member) ++i;
    return i;
}

}  // namespace wayleave
