// What becomes of what a client asks for: limits, then rules, then what the channel takes. The one way for
// the gateway, explain and the tests of a policy. Pure but for the limits that it draws from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/connection_view.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/rejection.h"
#include "daemon/decision/subscription_order.h"
#include "daemon/message/client_message.h"
#include "daemon/message/publication_request.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/policy.h"

namespace wayleave {

struct Authorization {
    std::optional<Rejection> rejection;
    dsl::NodeId verdict = dsl::never;  // of the rules, where it came to them
    bool judged = false;               // it came to them
    bool asks = false;                 // a backend decides, and is to be asked: see Request::vouched
    bool vouched = false;              // it has said yes

    [[nodiscard]] bool allowed() const { return !rejection; }
};

// By the rules alone.
[[nodiscard]] Authorization authorize(const ConnectionView& view, dsl::RootId decision,
                                      const dsl::Request& request);

// The same before anything is folded: of a handshake, and of a connection that another policy looks at.
[[nodiscard]] Authorization authorize_connect(const dsl::Route& route, const dsl::Request& request);

// What every message costs, before it is looked at: refused ones count, too.
[[nodiscard]] std::optional<Rejection> draw_messages(const ConnectionView& view,
                                                     const std::vector<dsl::Limit>& list,
                                                     const dsl::Request& request, LimitTable& limits,
                                                     Now now);

struct SubscribeAuthorization : Authorization {
    std::vector<std::string> entered;  // keys of limits, to be given back when the channel is left
};

// `request.channel` is the channel, and `rules` are its own. A client that is `subscribed` already begins
// anew, and is not counted again.
[[nodiscard]] SubscribeAuthorization authorize_subscribe(const ConnectionView& view,
                                                         const dsl::Request& request,
                                                         const dsl::ChannelRules& rules, bool subscribed,
                                                         LimitTable& limits);

[[nodiscard]] Authorization authorize_history(const ConnectionView& view, const dsl::Request& request,
                                              const dsl::ChannelRules& rules);
[[nodiscard]] Authorization authorize_presence(const ConnectionView& view, const dsl::Request& request,
                                               const dsl::ChannelRules& rules);

struct PublishAuthorization : Authorization {
    Draft draft;  // if it is allowed
};

// A `$publish`: `message` is where `asked` was read. `request` has the channel and the size of the data.
[[nodiscard]] PublishAuthorization authorize_publish(const ConnectionView& view,
                                                     const MessageParser::Message& message,
                                                     const PublicationRequest& asked,
                                                     const dsl::Request& request,
                                                     const dsl::ChannelRules& rules);

struct MessageAuthorization : Authorization {
    const dsl::Message* block = nullptr;
    std::vector<dsl::Value> fields;
    std::vector<Draft> drafts;                      // if it is allowed: one for each channel
    std::vector<const dsl::Publish*> published_by;  // the statement of each draft
    const dsl::Forward* forward = nullptr;          // if it is allowed, and goes to a backend, too
    std::string forward_path;
    std::vector<std::string> replies;  // to its sender: members, not in braces
    SubscriptionOrder order;           // for its sender
    std::vector<Place> places;         // taken for it: to be entered, or given back
};

// An application's message: its block, its fields, the block's limits, the rules, what is published, and
// where its sender is subscribed. Sets the request's fields, which then live in the answer.
[[nodiscard]] MessageAuthorization authorize_message(const ConnectionView& view,
                                                     const MessageParser::Message& message,
                                                     dsl::Request& request, RulesOf rules_of, KeysOf keys_of,
                                                     LimitTable& limits, Now now);

// Whether the client has the stream: its `if` holds.
[[nodiscard]] bool has_stream(const ConnectionView& view, const dsl::Stream& stream,
                              const dsl::Request& request);
// What it says to a stream that it has. `request` has the size of the payload.
[[nodiscard]] Authorization authorize_stream(const ConnectionView& view, const dsl::Stream& stream,
                                             const dsl::Request& request, LimitTable& limits, Now now);

// The channels that the route joins such a connection to, each once.
[[nodiscard]] std::vector<std::string> joined_channels(const dsl::Route& route, const dsl::Request& request);

}  // namespace wayleave
