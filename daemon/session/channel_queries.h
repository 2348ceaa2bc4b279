// `$history`, `$presence` and `$ack`: what clients ask the broker, and the answers when it has them. One
// thread.
#pragma once

#include "daemon/message/client_message.h"
#include "daemon/session/broker_requests.h"
#include "daemon/session/replies.h"
#include "daemon/session/shadow_comparison.h"
#include "daemon/session/subscriptions.h"

namespace wayleave {

class ChannelQueries {
  public:
    ChannelQueries(Hub& hub, Broker& broker, Presence& presence, Subscriptions& subscriptions,
                   BrokerRequests& requests, ShadowComparison& shadow, Outbox& outbox, Replies& replies);

    void history(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                 dsl::Request& request, Now now);
    void presence(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                  dsl::Request& request, Now now);
    void acknowledge(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);

    void answer_history(Session& session, const ReplyTo& re, const Page& page, Now now);
    void answer_presence(Session& session, const ReplyTo& re, const Roster& roster, Now now);
    void answer_acknowledge(Session& session, const ReplyTo& re, const Receipt& receipt, Now now);

  private:
    Hub& hub_;
    Broker& broker_;
    Presence& presence_;
    Subscriptions& subscriptions_;
    BrokerRequests& requests_;
    ShadowComparison& shadow_;
    Outbox& outbox_;
    Replies& replies_;
};

}  // namespace wayleave
