// What a rule with `by` asks a backend about one subscription, and what makes two such questions one. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/decision/rejection.h"
#include "daemon/message/backend_reply.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"
#include "dsl/text/result.h"

namespace wayleave {

// SHA-256 of all that the backend is told, but for what names the single request. Who differs in nothing that
// it sees gets the same answer.
using RulingKey = std::array<unsigned char, 32>;

// Who wants to subscribe. Borrowed for a call.
struct RulingOf {
    const dsl::Route& route;
    const dsl::Facts& facts;
    std::string_view user;  // empty: none, or its claim is secret
    uint64_t session = 0;
};

struct RulingQuestion {
    const dsl::AskedBackend* backend = nullptr;  // of the route's policy
    std::string rule;                            // its place
    std::string because;                         // the rule's own words for a no
    std::string path;
    std::string channel;
    RulingKey key{};
};

// `verdict` is that of a rule with `by`, about `request.channel`.
[[nodiscard]] Result<RulingQuestion, Rejection> ruling_question(const RulingOf& of,
                                                                const dsl::Request& request,
                                                                dsl::NodeId verdict);

// An answer that is no yes, as the client is told of it.
[[nodiscard]] Rejection ruled_out(const RulingQuestion& question, const BackendRuling& ruling);

}  // namespace wayleave
