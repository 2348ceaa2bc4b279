#include "daemon/session/replies.h"

#include "daemon/session/native.h"

namespace wayleave {

// To a POST, if one asked; else over the session's own connection.
void Replies::reply(Session& session, const ReplyTo& to, std::string_view text, Now now, dsl::Lane lane,
                    Word word) {
    if (to.relay != 0) return relay_.answer(to.relay, 200, text);
    outbox_.send_text(session, text, now, lane, word);
}

void Replies::reject(Session& session, const ReplyTo& re, Rejection rejection, Now now) {
    const dsl::Route& route = *session.binding->route;
    const dsl::Outcome outcome = outcome_of(&route, rejection, dsl::Phase::session);
    if (outcome.kind == dsl::OutcomeKind::close) return outbox_.end(session, std::move(rejection), now);
    log_.refused(session.binding->runtime->policy.get(), &route, rejection);
    log_.tell_refused(session, rejection, now);
    if (auto banned = ban_counter_.count_refusal(session, rejection.reason, now))
        return outbox_.end(session, std::move(*banned), now);
    if (outcome.kind == dsl::OutcomeKind::drop)
        return re.relay != 0 ? relay_.answer(re.relay, 0, {}) : void();
    if (route.dialect != dsl::Dialect::native || session.unwrapped)
        return outbox_.end_with(session, {default_close(rejection.reason),
                                          std::string(to_string(rejection.reason)), rejection.because, -1});
    const std::string text =
        error_text(re.id, outcome.name.empty() ? to_string(rejection.reason) : std::string_view(outcome.name),
                   rejection, route.detail, re.channel);
    if (re.relay != 0) return relay_.answer(re.relay, default_status(rejection.reason), text);
    outbox_.send_text(session, text, now);
}

void Replies::confirm(Session& session, const ReplyTo& re, Now now) {
    if (re.wanted()) reply(session, re, ok_text(re.id), now);
}

}  // namespace wayleave
