// The objects of which a worker's gateway is made. Each knows those above it that it is given.
#pragma once

#include <memory>
#include <random>

#include "daemon/session/authentication.h"
#include "daemon/session/channel_queries.h"
#include "daemon/session/client_messages.h"
#include "daemon/session/delivery.h"
#include "daemon/session/folded_streams.h"
#include "daemon/session/forwarder.h"
#include "daemon/session/gateway.h"
#include "daemon/session/http_front.h"
#include "daemon/session/notifications.h"
#include "daemon/session/operator_requests.h"
#include "daemon/session/proxied_requests.h"
#include "daemon/session/rechecks.h"
#include "daemon/session/session_clock.h"
#include "daemon/session/session_numbers.h"
#include "daemon/session/subscription_orders.h"
#include "daemon/session/tunnels.h"

namespace wayleave {

struct GatewayParts {
    GatewayParts(uint32_t worker_in, const GatewayShared& shared, Counters& counters_in,
                 std::shared_ptr<const Runtime> runtime);

    [[nodiscard]] UpstreamUser& upstream_user(uint64_t number);

    uint32_t worker;
    size_t workers;
    Broker& broker;
    Presence& presence;
    ConnectionSlots& slots;
    LimitTable& limits;
    BanTable& bans;
    Notices* notices;
    Counters& counters;
    std::mt19937_64 random;
    SessionNumbers numbers;
    Actions actions;

    SessionTable sessions;
    Bindings bindings;
    Hub hub;
    Deadlines deadlines{sessions, bindings};
    Tracer tracer{actions.events, counters.events_lost};
    ConnectionLog log{counters, actions.events, bindings, tracer};
    BanCounter ban_counter{bans, log};
    ShadowComparison shadow{bindings, counters, log};
    Compressors compressors;
    WebSocketFraming web_socket{counters, compressors};
    EventStreamFraming event_stream{counters, hub};
    Outbox outbox{actions, counters, bindings, log, ban_counter, web_socket, event_stream};
    PostRelay relay{actions.replies};
    Replies replies{outbox, relay, log, ban_counter};
    FoldedStreams streams{epoch_text(random()), workers, actions, sessions, bindings, limits,
                          web_socket,           outbox,  replies, log,      counters, random};
    Tunnels tunnels{
        epoch_text(random()), actions, sessions, bindings, deadlines, outbox, log, counters, random};
    BrokerRequests requests{worker, bindings};
    Notifications notifications{epoch_text(random()), worker, notices, bindings, log, random};
    Subscriptions subscriptions{hub, presence, limits, bindings, notifications};
    DeliveryNotes notes{hub, broker, subscriptions};
    Replayer replayer{sessions, hub,    broker,  subscriptions, requests,
                      notes,    outbox, replies, tracer,        counters};
    Delivery delivery{hub, subscriptions, bindings, replayer, notes, outbox, tracer, counters};
    Closing closing{sessions, bindings, subscriptions, outbox, log, deadlines, random};
    OperatorRequests operators{sessions, closing};
    KeptCredentials kept{counters};
    Reload reload{sessions, bindings,  hub,           subscriptions, replayer, outbox,   closing,
                  log,      deadlines, notifications, streams,       kept,     counters, random};
    CredentialQuestions questions{actions.questions, bindings, random};
    Grants grants{bindings, questions, hub, subscriptions, replayer, reload, outbox, deadlines, counters};
    Rulings rulings{epoch_text(random()), actions.calls, bindings, log, counters, random};
    Vouchers vouchers{bindings, sessions, hub, subscriptions, replayer, reload, rulings, outbox, counters};
    Authentication authentication{bindings, questions, relay, reload, outbox, replies, kept, counters};
    Rechecks rechecks{bindings, questions, kept, reload, authentication, deadlines, outbox, log, counters};
    SubscriptionOrders subscription_orders{limits, hub,          subscriptions, replayer, reload,
                                           shadow, event_stream, outbox,        counters};
    Publisher publisher{epoch_text(random()), broker, requests, replies, counters};
    ChannelQueries queries{hub, broker, presence, subscriptions, requests, shadow, outbox, replies};
    BackendOrderRunner orders{bindings, publisher, subscription_orders, outbox, log, counters};
    Forwarder forwarder{
        epoch_text(random()), actions.calls, sessions, bindings, orders, log, replies, counters, random};
    NativeDialect native{limits,        hub,
                         subscriptions, replayer,
                         event_stream,  subscription_orders,
                         queries,       authentication,
                         grants,        vouchers,
                         publisher,     forwarder,
                         streams,       shadow,
                         relay,         closing,
                         log,           outbox,
                         replies};
    ClientMessages messages{sessions, bindings, reload, native, streams, limits,  web_socket,
                            relay,    closing,  log,    outbox, replies, counters};
    FrameReader frames{compressors, messages, tunnels, closing, deadlines,
                       ban_counter, log,      outbox,  counters};
    HttpAdmission admission{bindings, limits, bans, questions, ban_counter, shadow, log, outbox, counters};
    PostFront posts{worker, bindings, admission, deadlines, actions.relayed, outbox, counters};
    Opening opening{worker,  bindings, slots,       hub,       subscriptions, replayer, native,
                    relay,   shadow,   compressors, deadlines, log,           outbox,   notifications,
                    streams, tunnels,  kept,        counters,  random};
    ApiPublish api_publish{epoch_text(random()), bindings, limits, broker, requests, log, counters};
    ApiQueries api_queries{bindings, broker, presence, requests, log};
    ApiOrders api_orders{worker,  bindings, sessions,       hub,      subscription_orders,
                         closing, log,      actions.orders, counters, random};
    ApiFront api{bindings,   limits,      admission, api_publish, api_queries,
                 api_orders, ban_counter, outbox,    counters};
    ProxiedRequests proxied{epoch_text(random()),
                            actions,
                            sessions,
                            bindings,
                            limits,
                            admission,
                            deadlines,
                            outbox,
                            log,
                            counters,
                            random};
    HttpFront http{bindings, limits, admission, posts, api,    proxied,
                   opening,  frames, deadlines, log,   outbox, counters};
    SessionClock clock{sessions, bindings, deadlines, reload, grants, vouchers,
                       rechecks, closing,  http,      outbox, random};
};

}  // namespace wayleave
