// What a client of the dialect `wayleave.v1` says: `$subscribe` and the like, and messages of the
// application. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/client_message.h"
#include "daemon/session/authentication.h"
#include "daemon/session/channel_queries.h"
#include "daemon/session/folded_streams.h"
#include "daemon/session/forwarder.h"
#include "daemon/session/grants.h"
#include "daemon/session/publisher.h"
#include "daemon/session/replayer.h"
#include "daemon/session/subscription_orders.h"
#include "daemon/session/vouchers.h"

namespace wayleave {

class NativeDialect {
  public:
    NativeDialect(LimitTable& limits, Hub& hub, Subscriptions& subscriptions, Replayer& replayer,
                  const EventStreamFraming& event_stream, SubscriptionOrders& orders, ChannelQueries& queries,
                  Authentication& authentication, Grants& grants, Vouchers& vouchers, Publisher& publisher,
                  Forwarder& forwarder, FoldedStreams& streams, ShadowComparison& shadow, PostRelay& relay,
                  Closing& closing, ConnectionLog& log, Outbox& outbox, Replies& replies);

    // `relay` is that of a message that came by POST; else 0.
    void handle(Session& session, std::string_view payload, uint64_t relay, Now now);
    // As `$subscribe` does, for a channel that a stream's address names.
    void subscribe_by_address(Session& session, const std::string& channel, Now now);
    // A `$subscribe` about which somebody was asked, and what is behind it. `ruled`: see KnownAnswers.
    void resume(Session& session, WaitingSubscribe waiting, const Ruled* ruled, Now now);

  private:
    void resume_one(Session& session, const HeldMessage& held, Now now);
    void take_apart(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);
    void take_turn(Session& session, HeldMessage message, Now now);
    void system_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                        dsl::Request& request, Now now);
    void application_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                             dsl::Request& request, Now now);
    void subscribe(Session& session, const MessageParser::Message& message, ReplyTo re, dsl::Request& request,
                   Now now);
    void unsubscribe(Session& session, const MessageParser::Message& message, ReplyTo re, Now now);
    void publish_by_name(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                         dsl::Request& request, Now now);
    void send_event_id(Session& session, Now now);

    LimitTable& limits_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    const EventStreamFraming& event_stream_;
    SubscriptionOrders& orders_;
    ChannelQueries& queries_;
    Authentication& authentication_;
    Grants& grants_;
    Vouchers& vouchers_;
    Publisher& publisher_;
    Forwarder& forwarder_;
    FoldedStreams& streams_;
    ShadowComparison& shadow_;
    PostRelay& relay_;
    Closing& closing_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Replies& replies_;
    MessageParser parser_;
    KnownAnswers known_;  // of the message that goes on
};

}  // namespace wayleave
