// A refusal on its way to the client: why, in whose words, and in which form the route wants it said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/decision/counters.h"
#include "dsl/policy/policy.h"

namespace wayleave {

struct Rejection {
    Reason reason = Reason::forbidden;
    std::string because;               // for the client; empty: only the reason
    std::string rule;                  // "chat.route:12:5"; shown where the route has `detail = true`
    std::optional<dsl::Outcome> then;  // the rule's own outcome
    int64_t retry_after_ms = 0;        // 0: no hint
    std::string decision = {};         // see decision_id(); set by who tells it
    std::string user = {};             // whom a proof names that is true and was refused: for the log alone
    bool nameless = false;             // see Identified

    [[nodiscard]] static Rejection of(Reason reason, std::string because, std::string rule = {}) {
        return {.reason = reason, .because = std::move(because), .rule = std::move(rule), .then = {}};
    }
};

// A message that is not as it has to be.
[[nodiscard]] inline Rejection bad_message(std::string because) {
    return Rejection::of(Reason::bad_message, std::move(because));
}

// Whether the verdict is that of an `allow` that needs nobody else's word.
[[nodiscard]] bool allows(const dsl::Route& route, dsl::NodeId verdict);
// That of a `deny`, and not that nothing allows it.
[[nodiscard]] bool denies(const dsl::Route& route, dsl::NodeId verdict);

// The backend whose word the verdict leads to, or null.
[[nodiscard]] const dsl::AskedBackend* asked_backend(const dsl::Route& route, dsl::NodeId verdict);

// A rule's verdict as a rejection. `never` has no rule: nothing allows it.
[[nodiscard]] Rejection rejected_by(const dsl::Route& route, dsl::NodeId verdict);

// Who is kept out by a ban, and for how long still.
[[nodiscard]] Rejection banned_by(const dsl::Ban& ban, int64_t left_ms);

// What names a decision in logs, metrics, answers and explanations: the policy's hash and the file and line
// that decided, "4f0c2a9d31b7/chat.route:12". `place` may have a directory and a column.
[[nodiscard]] std::string decision_id(const dsl::Policy& policy, std::string_view place);

// What is done about it: the rule's outcome if the phase can do it, else the route's `errors`, else the
// default. An error's name is empty where nobody chose one. The table of defaults is in wayleave.route(5).
[[nodiscard]] dsl::Outcome outcome_of(const dsl::Route* route, const Rejection& rejection, dsl::Phase phase);

[[nodiscard]] int default_status(Reason reason);
[[nodiscard]] uint16_t default_close(Reason reason);
// Whether the client should not simply come again (wayleave.route(5) lists them).
[[nodiscard]] bool is_final(uint16_t close_code);

// RFC 9457, as the answer to a handshake or another request.
[[nodiscard]] std::string problem_response(int status, std::string_view error, const Rejection& rejection,
                                           bool detail, std::string_view extra_headers);

}  // namespace wayleave
