// The second policy: asked beside the first for a share of the connections, never deciding. One thread.
#pragma once

#include <string_view>

#include "daemon/decision/authorize.h"
#include "daemon/decision/grant.h"
#include "daemon/session/connection_log.h"

namespace wayleave {

class ShadowComparison {
  public:
    ShadowComparison(const Bindings& bindings, Counters& counters, ConnectionLog& log)
        : bindings_(bindings), counters_(counters), log_(log) {}

    void connect(Session& session, const dsl::Route& route, const dsl::Facts& facts, dsl::NodeId verdict,
                 Now now);
    // By the rules alone: the shadow draws from no limit.
    void decision(Session& session, std::string_view action, dsl::RootId dsl::Route::*root,
                  const dsl::Request& request, const Authorization& judged, Now now);
    // The same of a `$subscribe`; `grant` may be null, also where the message has a `token` that nobody
    // looked at.
    void subscription(Session& session, const dsl::Request& request, const Authorization& judged,
                      const HeldGrant* grant, bool token, Now now);
    void message(Session& session, const MessageParser::Message& message, const dsl::Request& request,
                 const MessageAuthorization& judged, Now now);
    // What the server subscribes a session to, and whether a deny holds.
    void order(Session& session, const SubscriptionOrder& order, const dsl::Request& request, Now now);

  private:
    [[nodiscard]] bool is_shadowed(const Session& session) const;
    // The connection's facts in the shadow's order, or null if it is not compared.
    [[nodiscard]] const Shadow* shadow_of(Session& session);
    void compare(const Session& session, std::string_view what, bool allowed, std::string_view rule,
                 const dsl::Route& shadow, dsl::NodeId verdict, Now now);
    void tell(const Session& session, std::string_view what, bool allowed, std::string_view rule,
              const dsl::Route& shadow, dsl::NodeId verdict, bool other, Now now);

    const Bindings& bindings_;
    Counters& counters_;
    ConnectionLog& log_;
};

}  // namespace wayleave
