// Sessions of this worker enter and leave channels because the server says so: by a message's `subscribe to`,
// by the HTTP API, by a backend. They are told as of their own `$subscribe`, without `re`. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/subscription_order.h"
#include "daemon/session/reload.h"
#include "daemon/session/replayer.h"
#include "daemon/session/shadow_comparison.h"

namespace wayleave {

class SubscriptionOrders {
  public:
    SubscriptionOrders(LimitTable& limits, Hub& hub, Subscriptions& subscriptions, Replayer& replayer,
                       Reload& reload, ShadowComparison& shadow, const EventStreamFraming& event_stream,
                       Outbox& outbox, Counters& counters)
        : limits_(limits),
          hub_(hub),
          subscriptions_(subscriptions),
          replayer_(replayer),
          reload_(reload),
          shadow_(shadow),
          event_stream_(event_stream),
          outbox_(outbox),
          counters_(counters) {}

    // Judges by the policy in force and carries out. On refusal nothing has changed. It may end a session
    // that reads too slowly.
    [[nodiscard]] std::optional<Rejection> apply(Session& session, const SubscriptionOrder& order, Now now);
    // What was judged already: see authorize_message.
    void carry_out(Session& session, const SubscriptionOrder& order, std::vector<Place> places, Now now);
    // For who judges: see KeysOf.
    [[nodiscard]] std::optional<std::vector<std::string>> keys_of(Session& session,
                                                                  std::string_view channel) const;

  private:
    void leave(Session& session, const std::string& name, Now now);
    void enter(Session& session, Place place, Now now);

    LimitTable& limits_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    Reload& reload_;
    ShadowComparison& shadow_;
    const EventStreamFraming& event_stream_;
    Outbox& outbox_;
    Counters& counters_;
};

}  // namespace wayleave
