// `wayleave why`: what was refused to whom lately, and by which line of the policy. Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/ops/control/refusal_book.h"
#include "dsl/text/result.h"

namespace wayleave {

struct WhyQuestion {
    std::string about;  // a session, a user, an address, a route, a decision or its place; empty: all
    size_t most = 20;
};

// The body of POST /why: an object with any of `about` and `most`. Error: for the client.
[[nodiscard]] Result<WhyQuestion> why_question(std::string_view body);

// {"refusals":[{"time","event","message", and its fields}],"count":1,"since":"…"}; the newest first. `since`:
// what was before is forgotten; it is missing where nothing is kept.
[[nodiscard]] std::string why_json(const RefusalBook& book, const WhyQuestion& question);

}  // namespace wayleave
