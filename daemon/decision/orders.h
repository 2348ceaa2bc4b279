// Whether a backend may order what its answer says. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/decision/rejection.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// `channel` is null for an order that is about none. Nothing is permitted until an `allow` says so, and a
// `deny` stands over it. Nothing: it may.
[[nodiscard]] std::optional<Rejection> refuse_order(const dsl::BackendDecl& backend, dsl::Action action,
                                                    const dsl::ChannelName* channel);

}  // namespace wayleave
