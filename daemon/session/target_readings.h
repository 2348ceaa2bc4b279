// What a backend could make of a request's target beside what the policy has made of it. A target goes on to
// a backend as it was sent, so whatever can be read in it must be what was judged. Pure.
#pragma once

#include <string_view>

#include "daemon/protocol/http_head.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// Why a request with this target is answered with 400; static text. Empty: it is not. A target in doubt goes
// on only to a backend, and only where the route would judge it alike however it is read.
[[nodiscard]] std::string_view why_target_is_refused(const dsl::Policy& policy, const HttpHead& head);

}  // namespace wayleave
