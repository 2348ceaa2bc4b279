// Channels that a session enters and leaves because the server says so: what a message, the HTTP API or a
// backend orders. No `allow subscribe` is asked for, as of `join`; a deny and the limits hold. Pure but for
// the limits that it draws from.
#pragma once

#include <absl/functional/function_ref.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/connection_view.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/rejection.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// The rules of the channel of that name. The gateway keeps them beside its channels.
using RulesOf = absl::FunctionRef<const dsl::ChannelRules&(std::string_view)>;
// What the session counts as there: keys of limits. Nothing: it is not in that channel.
using KeysOf = absl::FunctionRef<std::optional<std::vector<std::string>>(std::string_view)>;

// It leaves before it enters, so that its place in one room is free for the next.
struct SubscriptionOrder {
    std::vector<std::string> leave;
    std::vector<std::string> enter;

    [[nodiscard]] bool empty() const { return leave.empty() && enter.empty(); }
};

// A channel that the session may enter, and what it counts as there: to be given back when it is left.
struct Place {
    std::string channel;
    std::vector<std::string> keys;
};

// What the channel's `max_subscribers` and the route's `limit subscriptions` say to one more. On refusal
// nothing is counted. `request.channel` is the channel.
[[nodiscard]] std::optional<Rejection> count_subscription(const ConnectionView& view,
                                                          const dsl::Request& request,
                                                          const dsl::ChannelRules& rules, LimitTable& limits,
                                                          std::vector<std::string>& keys);

// Places in all channels that it is not in yet, or in none. Those that it leaves still count when this
// returns: who leaves them gives them back.
[[nodiscard]] Result<std::vector<Place>, Rejection> take_places(const ConnectionView& view,
                                                                const dsl::Request& request,
                                                                const SubscriptionOrder& order,
                                                                RulesOf rules_of, KeysOf keys_of,
                                                                LimitTable& limits);
void give_back(const std::vector<Place>& places, LimitTable& limits);

}  // namespace wayleave
