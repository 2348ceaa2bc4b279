// What becomes of what a client asks for on its connection: limits, then rules. The one way for the gateway,
// explain and test. Pure but for the limits that it draws from.
#pragma once

#include <optional>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/limits.h"
#include "daemon/decision/rejection.h"
#include "daemon/message/client_message.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// A route as one connection sees it.
struct View {
    const dsl::Route& route;
    const dsl::Residual& residual;
};

struct Authorization {
    std::optional<Rejection> rejection;
    dsl::NodeId verdict = dsl::never;  // of the rules, where it came to them
    bool judged = false;               // it came to them

    [[nodiscard]] bool allowed() const { return !rejection; }
};

// By the rules alone.
[[nodiscard]] Authorization authorize(const View& view, dsl::RootId decision, const dsl::Request& request);

// What every message costs, before it is looked at: refused ones count, too.
[[nodiscard]] std::optional<Rejection> draw_messages(const View& view, const std::vector<dsl::Limit>& list,
                                                     const dsl::Request& request, LimitTable& limits,
                                                     Now now);

struct MessageAuthorization : Authorization {
    const dsl::Message* block = nullptr;
    std::vector<dsl::Value> fields;
};

// An application's message: its block, its fields, the block's limits, the rules. Sets the request's fields,
// which then live in the answer.
[[nodiscard]] MessageAuthorization authorize_message(const View& view, const MessageParser::Message& message,
                                                     dsl::Request& request, LimitTable& limits, Now now);

}  // namespace wayleave
