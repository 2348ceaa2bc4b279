#include "daemon/session/session_clock.h"

#include <algorithm>

namespace wayleave {
namespace {

constexpr int64_t tick_ms = 100;

bool is_between_requests(const Session& session) {
    return session.state == Session::State::head && session.handshaking->kept_open &&
           session.handshaking->bytes.empty() && session.queue.empty() && !session.handshaking->api;
}

}  // namespace

void SessionClock::tick(Now now) {
    deadlines_.advance(now, [&](Session& session) {
        wake(session, now);
        closing_.end_marked(now);
    });
    reload_.tick(now);
    vouchers_.tick(now);
    closing_.end_marked(now);
    if (draining_) drain_some(now);
}

void SessionClock::wake(Session& session, Now now) {
    session.wake_ms = Session::never_ms;
    if (session.abort_listed) return;
    if (session.held) Deadlines::excuse(session, now);
    if (session.close_by_ms <= now.steady_ms) return outbox_.abort(session);
    if (session.state == Session::State::open) {
        wake_open(session, now);
    } else if (session.state == Session::State::head && deadlines_.request_by(session) <= now.steady_ms) {
        http_.expire(session, now);
    }
    if (!session.abort_listed) deadlines_.reschedule(session, now);
}

void SessionClock::wake_open(Session& session, Now now) {
    const dsl::Route& route = *session.binding->route;
    if (session.pending_close && session.pending_close->at_ms <= now.steady_ms)
        return reload_.close_pending(session, now);
    if (session.expires_ms > 0 && session.expires_ms <= now.wall_ms) {
        return outbox_.end(session, Rejection::of(Reason::expired, "the token has expired"), now);
    }
    grants_.expire(session, now);
    rechecks_.wake(session, now);
    if (session.state != Session::State::open) return;
    if (route.max_lifetime_ms > 0 && session.opened_ms + route.max_lifetime_ms <= now.steady_ms) {
        const auto spread = static_cast<int64_t>(500 + random_() % 1500);
        return closing_.close(
            session, {1001, "max_lifetime", "the connection has reached its greatest age", spread}, now);
    }
    if (const char* silent = deadlines_.why_silent(session, now))
        return outbox_.end(session, Rejection::of(Reason::idle, silent), now);
    const int64_t quiet_since = std::max(session.last_heard_ms, session.last_ping_ms);
    if (route.ping_every_ms > 0 && !session.tunnelled && quiet_since + route.ping_every_ms <= now.steady_ms) {
        session.last_ping_ms = now.steady_ms;
        outbox_.heartbeat(session, now);
    }
}

void SessionClock::drain(Drain drain, Now now) {
    if (draining_) return;
    draining_ = true;
    http_.stop();
    const auto ticks = static_cast<size_t>(std::max<int64_t>(1, bindings_.settings().drain_ms / tick_ms));
    drain_step_ = drain.at_once ? sessions_.count() : sessions_.count() / ticks + 1;
    return_within_ms_ =
        drain.successor ? tick_ms * 10 : std::max<int64_t>(1000, bindings_.settings().drain_ms);
    drain_some(now);
}

void SessionClock::drain_some(Now now) {
    (void)sessions_.visit(next_drain_, drain_step_, [&](Session& session) {
        if (session.state == Session::State::closing) return false;
        // Who has asked something gets the answer, which ends the connection.
        if (HttpFront::is_working(session)) return false;
        if (is_between_requests(session)) {
            outbox_.abort(session);
        } else if (session.state == Session::State::head) {
            outbox_.send_last(
                session,
                problem_response(503, "unavailable",
                                 Rejection::of(Reason::unavailable, "the server is stopping"), false, ""));
        } else {
            const auto spread = static_cast<uint64_t>(return_within_ms_);
            closing_.close(
                session, {1001, "drain", "the server is stopping", static_cast<int64_t>(random_() % spread)},
                now);
        }
        return true;
    });
}

}  // namespace wayleave
