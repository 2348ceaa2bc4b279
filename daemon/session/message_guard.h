// What limits and rules say to a client's message, told to the client where they refuse. One thread; the
// table of limits is shared by all workers.
#pragma once

#include <string_view>

#include "daemon/decision/authorize.h"
#include "daemon/session/replies.h"
#include "daemon/session/shadow_comparison.h"

namespace wayleave {

class MessageGuard {
  public:
    MessageGuard(LimitTable& limits, ShadowComparison& shadow, Replies& replies)
        : limits_(limits), shadow_(shadow), replies_(replies) {}

    // By the route's rules for that action on the request's channel.
    [[nodiscard]] bool allowed(Session& session, std::string_view action, dsl::RootId dsl::Route::*root,
                               const dsl::Request& request, const ReplyTo& re, Now now);
    [[nodiscard]] bool within_limits(Session& session, const dsl::Request& request, const ReplyTo& re,
                                     Now now);

  private:
    LimitTable& limits_;
    ShadowComparison& shadow_;
    Replies& replies_;
};

[[nodiscard]] inline View view_of(const Session& session) {
    return {*session.binding->route, session.binding->residual};
}

}  // namespace wayleave
