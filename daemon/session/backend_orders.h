// What a backend's answer orders: all of it is judged by the backend's own rules first, and one order that is
// refused refuses all. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/message/backend_reply.h"
#include "daemon/message/client_message.h"
#include "daemon/session/bindings.h"
#include "daemon/session/outbox.h"
#include "daemon/session/publisher.h"
#include "daemon/session/subscription_orders.h"

namespace wayleave {

class BackendOrderRunner {
  public:
    BackendOrderRunner(const Bindings& bindings, Publisher& publisher, SubscriptionOrders& subscriptions,
                       Outbox& outbox, ConnectionLog& log, Counters& counters)
        : bindings_(bindings),
          publisher_(publisher),
          subscriptions_(subscriptions),
          outbox_(outbox),
          log_(log),
          counters_(counters) {}

    // `session` is the one that they are about; null if it is gone: then what is for it alone is nothing.
    // What is refused is told of, and nothing is done.
    [[nodiscard]] std::optional<Rejection> carry_out(const BackendOrders& orders, std::string_view backend,
                                                     Session* session, Now now);

    // Those of an answer that nobody waits for, if it has any. What is wrong is told of.
    void carry_out(const BackendAnswer& answer, std::string_view backend, Session* session, Now now);

  private:
    [[nodiscard]] std::optional<Rejection> judge(const BackendOrders& orders, const dsl::BackendDecl& backend,
                                                 std::vector<Draft>& drafts);
    [[nodiscard]] std::optional<Rejection> judge_publication(const std::string& item,
                                                             const dsl::BackendDecl& backend,
                                                             std::vector<Draft>& drafts);
    [[nodiscard]] std::optional<Rejection> judge_message(const std::string& item);
    [[nodiscard]] std::optional<Rejection> subscribe(const BackendOrders& orders, Session& session, Now now);
    void speak(const BackendOrders& orders, Session& session, Now now);

    const Bindings& bindings_;
    Publisher& publisher_;
    SubscriptionOrders& subscriptions_;
    Outbox& outbox_;
    ConnectionLog& log_;
    Counters& counters_;
    MessageParser parser_;
};

}  // namespace wayleave
