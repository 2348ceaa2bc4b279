// A connection as a policy looks at it: one that is open, or one that could be. Borrowed for a call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/decision/ruling_question.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// Whose decision a subscription is.
enum class Entered : uint8_t {
    by_client,  // its `$subscribe`, or its stream's address
    by_route,   // the route's `join`
    by_order,   // see SubscriptionOrder
};
struct HeldGrant;

struct ConnectionView {
    const dsl::Policy& policy;
    const dsl::Route& route;
    const dsl::Facts& facts;
    const dsl::Residual& residual;
    uint64_t number = 0;  // of the session
    int64_t age_ms = 0;
    int64_t subscriptions = 0;
};

// One that is open, with what a reload and an operator ask about, too.
struct OpenConnection : ConnectionView {
    struct Channel {
        std::string_view name;
        Entered entered = Entered::by_client;
        std::vector<std::string> keys = {};  // of limits: what it counts as
        const HeldGrant* grant = nullptr;    // by which it is there, or null
        const RulingKey* ruling = nullptr;   // a backend's yes that is still believed, or null
    };
    std::string_view user = {};          // empty: none, or its claim is secret
    std::optional<uint32_t> token = {};  // in policy.tokens
    uint64_t key = 0;                    // see Proof
    bool is_link = false;                // a plain request that no `origins` judge
    // Since it is open.
    uint64_t messages_in = 0;
    uint64_t messages_out = 0;
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
    size_t waiting = 0;  // bytes that its socket has not taken yet
    std::vector<Channel> channels = {};

    // Null if it is not in it.
    [[nodiscard]] const Channel* find(std::string_view channel) const {
        const auto it = std::find_if(channels.begin(), channels.end(),
                                     [&](const Channel& one) { return one.name == channel; });
        return it == channels.end() ? nullptr : &*it;
    }
    [[nodiscard]] bool is_in(std::string_view channel) const { return find(channel) != nullptr; }
};

// What is asked about it; the caller says what it is about.
[[nodiscard]] inline dsl::Request request_for(const ConnectionView& view) {
    dsl::Request request;
    request.facts = &view.facts;
    request.connection = view.number;
    request.connection_age_ms = view.age_ms;
    request.subscriptions = view.subscriptions;
    return request;
}

// Of a connection that is not open yet.
[[nodiscard]] inline dsl::Request request_for(const dsl::Facts& facts, uint64_t number) {
    dsl::Request request;
    request.facts = &facts;
    request.connection = number;
    return request;
}

}  // namespace wayleave
