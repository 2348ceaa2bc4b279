// Asks the policy about one connection, with the code that serves it, and notes why. Draws from the limits
// that it is given.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/decision/admission.h"
#include "daemon/decision/connection_view.h"
#include "daemon/decision/grant.h"
#include "daemon/decision/limits.h"
#include "daemon/explain/explanation.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// What it asks for. `json` is a message's members, or a publication's data; empty: {}.
struct Question {
    dsl::Action action = dsl::Action::message;
    std::string target;
    std::string json;
    // Of the channels that it is in already; null: there is none.
    std::function<std::optional<std::vector<std::string>>(std::string_view)> keys_of = {};
    // What it brings with a subscription: a grant, or why what it brings is none.
    std::optional<HeldGrant> grant = {};
    std::string no_grant = {};
    // What backends say, by their names; one that is not named is not asked.
    std::vector<std::pair<std::string, BackendRuling>> rulings = {};
};

// One question. `detail`: with the notes about rules and limits; without, only the verdict.
struct ExplainedDecision {
    Explanation explanation;
    dsl::NodeId verdict = dsl::never;  // the rule that decided, where one did
    size_t entered = 0;                // channels that its sender is in by it
};
[[nodiscard]] ExplainedDecision explain(const ConnectionView& view, const Question& question,
                                        LimitTable& limits, Now now, bool detail);

// A connection that was just let in, with the channels that it is joined to. Borrows from all three.
[[nodiscard]] ConnectionView opened(const dsl::Policy& policy, const Admitted& admitted,
                                    const dsl::Residual& residual);

// The handshake that led to this admission.
[[nodiscard]] ExplainedDecision explain_admission(const dsl::Policy& policy, const Admission& admission,
                                                  const std::string& target, LimitTable& limits, Now now,
                                                  bool detail);

// The action of that name, `message` among them.
[[nodiscard]] std::optional<dsl::Action> action_from(std::string_view name);

}  // namespace wayleave
