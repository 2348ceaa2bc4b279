#include "daemon/session/request_right.h"

#include <algorithm>
#include <utility>

#include "daemon/decision/reevaluate.h"
#include "daemon/session/proxy_target.h"

namespace wayleave {

RequestRight::RequestRight(Bindings& bindings, Admitted& admitted, uint64_t number, bool is_link, Now now)
    : binding_(bindings.bind(*admitted.route, admitted.answers)),
      facts_(std::move(admitted.facts)),
      user_(admitted.nameless ? std::string() : admitted.user),
      number_(number),
      key_(admitted.key),
      expires_ms_(admitted.expires_ms),
      since_ms_(now.steady_ms),
      token_(admitted.token),
      is_link_(is_link) {}

OpenConnection RequestRight::open_connection(Now now) const {
    OpenConnection out{{*binding_->runtime->policy, *binding_->route, facts_, binding_->residual, number_,
                        now.steady_ms - since_ms_, 0}};
    out.user = user_;
    if (token_ > 0) out.token = token_ - 1;
    out.key = key_;
    out.is_link = is_link_;
    return out;
}

int64_t RequestRight::ends_at_ms(Now now) const {
    const int64_t lifetime_ms = route().max_lifetime_ms;
    int64_t at_ms = lifetime_ms > 0 ? since_ms_ + lifetime_ms : INT64_MAX;
    if (expires_ms_ > 0) at_ms = std::min(at_ms, now.steady_ms + expires_ms_ - now.wall_ms);
    return at_ms;
}

std::optional<RequestRight::Over> RequestRight::ended(Now now) const {
    if (expires_ms_ > 0 && expires_ms_ <= now.wall_ms)
        return Over{401, Rejection::of(Reason::expired, "the token has expired")};
    const int64_t lifetime_ms = route().max_lifetime_ms;
    if (lifetime_ms == 0 || since_ms_ + lifetime_ms > now.steady_ms) return std::nullopt;
    return Over{504, Rejection::of(Reason::unavailable, "the request was not answered within max_lifetime")};
}

std::optional<RequestRight::Over> RequestRight::judge(Bindings& bindings, Now now) {
    if (binding_->runtime == bindings.shared()) return std::nullopt;
    const OpenConnection before = open_connection(now);
    Reevaluation next = reevaluate(before, bindings.runtime());
    const auto over = [&](int status, std::string because, const std::string& place) {
        Over out{status, Rejection::of(Reason::policy_changed, std::move(because), place)};
        out.rejection.decision = decision_id(bindings.policy(), place);
        return out;
    };
    if (next.kind == Reevaluation::Kind::ends) return over(403, std::move(next.because), next.rule);
    // Only a new request can tell.
    if (next.kind == Reevaluation::Kind::returns) return over(503, std::move(next.because), next.rule);
    const dsl::Route& route = *next.route;
    if (!passes_requests(route)) return over(403, "what speaks here is another now", route.place);
    token_ = token_in(bindings.policy(), before);
    facts_ = std::move(*next.facts);
    binding_ = bindings.bind(route, dsl::early_answers(route.program, request_for(facts_, number_)));
    return std::nullopt;
}

}  // namespace wayleave
