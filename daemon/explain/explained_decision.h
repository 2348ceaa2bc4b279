// Asks the policy about one connection, with the code that serves it, and notes why. Draws from the limits
// that it is given.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/decision/admission.h"
#include "daemon/decision/limits.h"
#include "daemon/explain/explanation.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// A connection that is there, or could be.
struct Subject {
    const dsl::Policy& policy;
    const dsl::Route& route;
    const dsl::Facts& facts;
    const dsl::Residual& residual;
    uint64_t connection = 0;
    int64_t age_ms = 0;
    int64_t subscriptions = 0;
};

// What it asks for. `json` is a message's members, or a publication's data; empty: {}.
struct Question {
    dsl::Action action = dsl::Action::message;
    std::string target;
    std::string json;
};

// One question. `detail`: with the notes about rules and limits; without, only the verdict.
struct ExplainedDecision {
    Explanation explanation;
    dsl::NodeId verdict = dsl::never;  // the rule that decided, where one did
};
[[nodiscard]] ExplainedDecision explain(const Subject& subject, const Question& question, LimitTable& limits,
                                        Now now, bool detail);

// The handshake that led to this admission.
[[nodiscard]] ExplainedDecision explain_admission(const dsl::Policy& policy, const Admission& admission,
                                                  const std::string& target, LimitTable& limits, Now now,
                                                  bool detail);

// The action of that name, `message` among them.
[[nodiscard]] std::optional<dsl::Action> action_from(std::string_view name);

}  // namespace wayleave
