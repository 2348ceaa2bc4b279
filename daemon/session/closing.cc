#include "daemon/session/closing.h"

#include <algorithm>

namespace wayleave {
namespace {

constexpr int64_t control_ms = 100;  // the time that each is good for: 10 a second
constexpr int64_t controls_at_once = 50;

}  // namespace

void Closing::end_marked(Now now) {
    for (const MarkedEnd& marked : outbox_.take_marked()) {
        Session* session = sessions_.find(marked.id);
        if (!session || session->state != Session::State::ending) continue;
        if (marked.farewell) {
            close(*session, *marked.farewell, now);
        } else {
            close_for(*session, marked.rejection, now);
        }
    }
}

void Closing::close(Session& session, const Farewell& farewell, Now now) {
    if (session.state != Session::State::open && session.state != Session::State::ending) return;
    begin_end(session, farewell.reason, farewell.because, now);
    if (session.ending->code == 0) session.ending->code = farewell.code;
    outbox_.send_farewell(session, farewell);
    deadlines_.reschedule(session, now);
}

void Closing::begin_end(Session& session, std::string_view reason, std::string_view because, Now now) {
    session.state = Session::State::closing;
    ConnectionLog::note_ending(session, reason, because);
    session.close_by_ms = now.steady_ms + bindings_.settings().close_timeout_ms;
    subscriptions_.leave_all(session, now);
}

void Closing::peer_closed(Session& session, uint16_t code, Now now) {
    if (session.state == Session::State::closing) return outbox_.finish(session);  // both have said it
    begin_end(session, "client", "the client has closed it", now);
    session.ending->code = code;
    outbox_.send_last(session, close_frame(code, ""));
    deadlines_.reschedule(session, now);
}

void Closing::close_for(Session& session, const Rejection& rejection, Now now) {
    const dsl::Outcome outcome = outcome_of(session.binding->route, rejection, dsl::Phase::session);
    if (outcome.kind == dsl::OutcomeKind::drop) return outbox_.abort(session);
    const uint16_t code =
        outcome.kind == dsl::OutcomeKind::close ? outcome.code : default_close(rejection.reason);
    const std::string_view name = outcome.kind == dsl::OutcomeKind::error && !outcome.name.empty()
                                      ? std::string_view(outcome.name)
                                      : to_string(rejection.reason);
    const int64_t after_ms = std::max(static_cast<int64_t>(500 + random_() % 1500), rejection.retry_after_ms);
    close(session,
          {code, std::string(name), rejection.because, is_final(code) ? -1 : after_ms,
           rejection.reason == Reason::expired},
          now);
}

void Closing::count_control(Session& session, Now now) {
    if (session.state != Session::State::open) return;
    session.controls_ms = std::max(session.controls_ms, now.steady_ms) + control_ms;
    if (session.controls_ms <= now.steady_ms + control_ms * controls_at_once) return;
    Rejection rejection = Rejection::of(Reason::limited, "too many pings");
    log_.refused(session, rejection);
    log_.note_ending(session, rejection);
    close(session, {1008, "limited", rejection.because, -1}, now);
}

}  // namespace wayleave
