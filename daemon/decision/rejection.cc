#include "daemon/decision/rejection.h"

#include <array>

#include "daemon/base/json_writer.h"
#include "daemon/protocol/handshake.h"
#include "dsl/policy/canonical.h"

namespace wayleave {
namespace {

struct ReasonRow {
    std::string_view name;
    int status;      // in a handshake
    uint16_t close;  // of a session; 0: a message is answered with `$error` and the session goes on
    uint16_t fallback_close;
};

constexpr std::array<ReasonRow, static_cast<size_t>(Reason::count_)> rows{{
    {"unauthenticated", 401, 4401, 4401},
    {"forbidden", 403, 0, 4403},
    {"limited", 429, 0, 4429},
    {"banned", 403, 4430, 4430},
    {"bad_message", 400, 0, 4400},
    {"unknown_message", 404, 0, 4404},
    {"too_big", 413, 1009, 1009},
    {"slow", 503, 4408, 4408},
    {"expired", 401, 4401, 4401},
    {"unavailable", 503, 0, 1013},
    {"policy_changed", 403, 4403, 4403},
    {"bad_request", 400, 1002, 1002},
    {"unknown_route", 404, 4404, 4404},
    {"idle", 408, 1001, 1001},
    {"replaced", 409, 4409, 4409},
    {"refused", 422, 0, 4400},
}};
static_assert(static_cast<size_t>(dsl::Refusal::policy_changed) ==
              static_cast<size_t>(Reason::policy_changed));

const ReasonRow& row(Reason reason) {
    return rows[static_cast<size_t>(reason)];
}

}  // namespace

std::string_view to_string(Reason reason) {
    return row(reason).name;
}
int default_status(Reason reason) {
    return row(reason).status;
}
uint16_t default_close(Reason reason) {
    return row(reason).fallback_close;
}

bool is_final(uint16_t code) {
    return code == 1002 || code == 1007 || code == 1008 || code == 1009 || (code >= 4400 && code <= 4404) ||
           code == 4409;
}

bool allows(const dsl::Route& route, dsl::NodeId verdict) {
    if (verdict == dsl::always) return true;  // a statement is the permission, and no rule speaks against it
    const size_t rule = verdict & ~dsl::verdict_bit;
    return rule >= 2 && route.rules[rule - 2].allow && !route.rules[rule - 2].by;
}

const dsl::AskedBackend* asked_backend(const dsl::Route& route, dsl::NodeId verdict) {
    const size_t rule = verdict & ~dsl::verdict_bit;
    return rule >= 2 && route.rules[rule - 2].by ? &*route.rules[rule - 2].by : nullptr;
}

bool denies(const dsl::Route& route, dsl::NodeId verdict) {
    const size_t rule = verdict & ~dsl::verdict_bit;
    return rule >= 2 && !route.rules[rule - 2].allow;
}

Rejection rejected_by(const dsl::Route& route, dsl::NodeId verdict) {
    Rejection rejection;
    const size_t number = verdict & ~dsl::verdict_bit;
    if (number < 2) {
        rejection.because = "no rule allows this";
        return rejection;
    }
    const dsl::RuleInfo& rule = route.rules[number - 2];
    rejection.because = rule.because;
    rejection.rule = rule.place;
    rejection.then = rule.then;
    return rejection;
}

Rejection banned_by(const dsl::Ban& ban, int64_t left_ms) {
    return {Reason::banned,
            ban.because.empty() ? "too much was refused lately" : ban.because,
            ban.place,
            {},
            left_ms};
}

std::string decision_id(const dsl::Policy& policy, std::string_view place) {
    place.remove_prefix(place.rfind('/') == std::string_view::npos ? 0 : place.rfind('/') + 1);
    if (const size_t column = place.rfind(':'); column != std::string_view::npos)
        place = place.substr(0, column);
    return dsl::hash_text(policy.hash).substr(0, 12).append("/").append(place);
}

dsl::Outcome outcome_of(const dsl::Route* route, const Rejection& rejection, dsl::Phase phase) {
    using Kind = dsl::OutcomeKind;
    const auto possible = [&](const dsl::Outcome& outcome) {
        return outcome.kind != (phase == dsl::Phase::handshake ? Kind::close : Kind::status);
    };
    if (rejection.then && possible(*rejection.then)) return *rejection.then;
    const auto number = static_cast<size_t>(rejection.reason);
    if (route && number < dsl::refusals) {
        if (const auto& chosen = route->errors[number][static_cast<size_t>(phase)]) return *chosen;
    }
    const ReasonRow& defaults = row(rejection.reason);
    if (phase == dsl::Phase::handshake) return {Kind::status, static_cast<uint16_t>(defaults.status), ""};
    if (defaults.close != 0) return {Kind::close, defaults.close, ""};
    return {Kind::error, 0, ""};
}

std::string problem_response(int status, std::string_view error, const Rejection& rejection, bool detail,
                             std::string_view extra_headers) {
    const std::string_view title = reason_phrase(status);
    JsonObject body;
    body.add("type", "urn:wayleave:" + std::string(to_string(rejection.reason)))
        .add("title", title.empty() ? "Refused" : title);
    body.add("status", status).add("error", error).add_if_any("detail", rejection.because);
    if (detail) body.add_if_any("rule", rejection.rule).add_if_any("decision", rejection.decision);
    std::string headers(extra_headers);
    if (status == 401) headers += "WWW-Authenticate: Bearer\r\n";
    if (rejection.retry_after_ms > 0) {
        headers += "Retry-After: " + std::to_string((rejection.retry_after_ms + 999) / 1000) + "\r\n";
    }
    return http_response(status, "application/problem+json", body.text() + "\n", headers, false);
}

}  // namespace wayleave
