#include "daemon/session/deadlines.h"

#include <algorithm>

namespace wayleave {

void Deadlines::reschedule(Session& session, Now now) {
    // The wheel reaches 100 s; what lies beyond is asked for again then.
    const int64_t at = std::min(next_wake(session, now), now.steady_ms + 90'000);
    if (session.wake_ms <= at) return;
    session.wake_ms = at;
    wheel_.add(pack(session.id), at, now.steady_ms);
}

int64_t Deadlines::next_wake(const Session& session, Now now) const {
    if (session.close_by_ms != Session::never_ms) return session.close_by_ms;
    if (session.state == Session::State::ending) return Session::never_ms;
    if (session.state == Session::State::head) return request_by(session);
    const dsl::Route& route = *session.binding->route;
    int64_t when = session.pending_close ? session.pending_close->at_ms : Session::never_ms;
    if (route.idle_timeout_ms > 0 && !session.stream)
        when = std::min(when, session.last_heard_ms + route.idle_timeout_ms);
    if (route.ping_every_ms > 0 && !session.tunnelled)
        when = std::min(when, std::max(session.last_heard_ms, session.last_ping_ms) + route.ping_every_ms);
    if (session.message_since_ms > 0) when = std::min(when, complete_by(session));
    if (awaits_pong(session)) when = std::min(when, session.last_ping_ms + route.pong_timeout_ms);
    if (route.max_lifetime_ms > 0) when = std::min(when, session.opened_ms + route.max_lifetime_ms);
    if (session.expires_ms > 0) when = std::min(when, now.steady_ms + session.expires_ms - now.wall_ms);
    if (session.kept && session.kept->question == 0) when = std::min(when, session.kept->due_ms);
    if (session.grants) {
        const int64_t expiry_ms = session.grants->next_expiry_ms();
        if (expiry_ms != INT64_MAX) when = std::min(when, now.steady_ms + expiry_ms - now.wall_ms);
    }
    return when;
}

int64_t Deadlines::request_by(const Session& session) const {
    const int64_t silence_ms = session.handshaking->passing_silence_ms;
    if (silence_ms == Session::never_ms) return Session::never_ms;
    return silence_ms > 0 ? session.last_heard_ms + silence_ms
                          : session.opened_ms + bindings_.settings().handshake_timeout_ms;
}

int64_t Deadlines::complete_by(const Session& session) const {
    const int64_t idle_ms = session.binding->route->idle_timeout_ms;
    const int64_t most_ms = bindings_.settings().message_timeout_ms;
    return session.message_since_ms + (idle_ms > 0 ? std::min(idle_ms, most_ms) : most_ms);
}

// What is stalled is not read from, either.
bool Deadlines::awaits_pong(const Session& session) {
    return session.binding->route->pong_timeout_ms > 0 && !session.stream && !session.tunnelled &&
           session.last_ping_ms > session.last_heard_ms && !session.stalled;
}

void Deadlines::excuse(Session& session, Now now) {
    session.last_heard_ms = now.steady_ms;
    if (session.message_since_ms > 0) session.message_since_ms = now.steady_ms;
    if (session.state == Session::State::head) session.opened_ms = now.steady_ms;
}

const char* Deadlines::why_silent(const Session& session, Now now) const {
    const dsl::Route& route = *session.binding->route;
    if (session.message_since_ms > 0 && complete_by(session) <= now.steady_ms)
        return "a message was not complete in time";
    // Who hears a stream says nothing.
    if (route.idle_timeout_ms > 0 && !session.stream &&
        session.last_heard_ms + route.idle_timeout_ms <= now.steady_ms)
        return "nothing was heard";
    if (awaits_pong(session) && session.last_ping_ms + route.pong_timeout_ms <= now.steady_ms)
        return "a ping was not answered";
    return nullptr;
}

}  // namespace wayleave
