// What clients publish: under the rules of its channel to the broker, and the answer when the broker has it.
// One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/client_message.h"
#include "daemon/session/broker_requests.h"
#include "daemon/session/replies.h"
#include "daemon/session/subscriptions.h"

namespace wayleave {

// What a client publishes, and under which names it says more about it.
struct Content {
    const std::vector<MessageParser::Member>& members;
    std::string_view key;
    std::string_view dedup;
    Stamps stamps = {};
};

class Publisher {
  public:
    // `name` is of this worker in this run of the daemon: an id of a message is never another's.
    Publisher(std::string name, Subscriptions& subscriptions, Broker& broker, BrokerRequests& requests,
              Replies& replies, Counters& counters);

    // Nothing if it was refused, and the client was told.
    [[nodiscard]] std::optional<Draft> draft(Session& session, std::string_view channel,
                                             const MessageParser::Message& message, const ReplyTo& re,
                                             const Content& content, bool except_self, Now now);
    void publish(Session& session, const ReplyTo& re, std::vector<Draft> drafts, Now now);
    // One of them has its answer.
    void published(Session& session, Publishing& publishing, Receipt receipt, Now now);

  private:
    std::string name_;
    Subscriptions& subscriptions_;
    Broker& broker_;
    BrokerRequests& requests_;
    Replies& replies_;
    Counters& counters_;
    uint64_t publications_ = 0;
};

}  // namespace wayleave
