// A connection as a policy looks at it: one that is open, or one that could be. Borrowed for a call.
#pragma once

#include <cstdint>

#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

struct ConnectionView {
    const dsl::Policy& policy;
    const dsl::Route& route;
    const dsl::Facts& facts;
    const dsl::Residual& residual;
    uint64_t number = 0;  // of the session
    int64_t age_ms = 0;
    int64_t subscriptions = 0;
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
