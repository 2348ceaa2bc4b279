#include "daemon/session/proxied_requests.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

// Of either side, before the other is not read from. What one read brings comes on top.
constexpr size_t most_proxied_bytes = 64 * 1024;

constexpr size_t rejudged_a_tick = 300;  // see Reload

int64_t silence_of(const dsl::Route& route) {
    return route.idle_timeout_ms > 0 ? route.idle_timeout_ms : Session::never_ms;
}

// TRACE would show a page of a foreign origin what the browser sends with it (Fetch 2.2.1). Methods are told
// apart by case (RFC 9110 9.1), but not by every server.
bool echoes_or_tunnels(std::string_view method) {
    return same_ignoring_case(method, "trace") || same_ignoring_case(method, "track") ||
           same_ignoring_case(method, "connect");
}

// On a connection of a proxy there may be many: what a backend says too late to one must not become another's
// answer.
bool is_one_client(const Peer& client, const Peer& connected) {
    return !connected.unix_socket && client.ip == connected.ip;
}

}  // namespace

ProxiedRequests::ProxiedRequests(std::string name, Actions& actions, const SessionTable& sessions,
                                 Bindings& bindings, LimitTable& limits, HttpAdmission& admission,
                                 Deadlines& deadlines, Outbox& outbox, ConnectionLog& log, Counters& counters,
                                 std::mt19937_64& random)
    : name_(std::move(name)),
      actions_(actions),
      sessions_(sessions),
      bindings_(bindings),
      limits_(limits),
      admission_(admission),
      deadlines_(deadlines),
      outbox_(outbox),
      log_(log),
      counters_(counters),
      random_(random),
      judged_by_(bindings.shared()),
      kept_(actions) {}

bool ProxiedRequests::wants(const HttpHead& head) const {
    const dsl::Route* route = route_of(bindings_.policy(), head);
    return route && passes_requests(*route);
}

void ProxiedRequests::begin(Session& session, const HttpHead& head, Now now) {
    const auto refuse = [&](int status, const char* because) {
        admission_.refuse_request(session, head, status, Rejection::of(Reason::bad_request, because), "",
                                  now);
    };
    if (echoes_or_tunnels(head.method)) return refuse(405, "this method is not passed on");
    if (head.count("origin") > 1) return refuse(400, "more than one Origin field");
    if (const auto wrong = check_body_head(head, false)) return refuse(wrong->status, wrong->because);
    session.handshaking->may_pause = true;
    const auto [client, upgrade] = admission_.asking_of(session, head, now);
    auto admitted =
        admission_.admit_connection(session, client, head, upgrade, AdmissionKind::request, "", now);
    if (!admitted) return;
    const ProxiedClient who{bindings_.runtime(),
                            *admitted->route,
                            admitted->facts,
                            client,
                            session.number,
                            {},
                            admitted->nameless ? std::string_view() : admitted->user,
                            admitted->trace ? &*admitted->trace : nullptr};
    auto found = proxy_target(who, head, true);
    if (const auto* miss = std::get_if<ProxyMiss>(&found)) {
        for (const std::string& key : admitted->entered) limits_.leave(key);
        return admission_.refuse_request(session, head, miss->status,
                                         Rejection::of(Reason::forbidden, miss->why), "", now);
    }
    auto& target = std::get<ProxyTarget>(found);
    const std::string lines =
        proxy_lines(who, target, head, "req_" + name_ + "-" + std::to_string(++requests_), random_, now);
    const bool direct = is_one_client(client, session.peer);
    const bool keeps = direct && may_be_repeated(head);
    HttpExchange exchange(head, target.path, lines, keeps);
    if (!direct && head.count("expect") == 0) exchange.leave_out_interim();
    const uint64_t number = keeps ? kept_.take(session.number, *target.backend) : 0;
    auto made = std::make_unique<Passing>(Passing{number, session.number, session.id, std::move(target),
                                                  std::move(exchange), std::move(admitted->entered),
                                                  std::move(admitted->places)});
    const bool is_link = is_safe(head.method) && !upgrade.has_origin;
    made->right.emplace(bindings_, *admitted, session.number, is_link, now);
    count_alias(*made, *admitted);
    counters_.proxied_requests.add();
    session.handshaking->passing_silence_ms = silence_of(*admitted->route);
    session.last_heard_ms = now.steady_ms;
    if (number != 0) {
        made->reuses = true;
        counters_.proxied_reuses.add();
        actions_.upstreams_to_flush.push_back(number);
    } else {
        dial(*made, now);
    }
    Passing& passing = *made;
    look_at(passing, passing.right->ends_at_ms(now));
    of_session_.emplace(session.number, passing.number);
    passing_.emplace(passing.number, std::move(made));
    if (session.handshaking->said_all) probe(passing, session);
    deadlines_.reschedule(session, now);
}

void ProxiedRequests::count_alias(Passing& passing, const Admitted& admitted) {
    if (!admitted.alias) return;
    passing.alias = admitted.alias->address;
    counters_.alias_handshakes.add();
    counters_.aliases.opened(passing.alias);
    if (admitted.expired_alias) counters_.expired_aliases.add();
}

void ProxiedRequests::dial(Passing& passing, Now now) {
    passing.number = marked(UpstreamKind::request, ++upstreams_made_);
    passing.reach_by_ms = now.steady_ms + passing.target.backend->timeout_ms;
    reaching_.emplace(passing.reach_by_ms, passing.number);
    actions_.dials.push_back({passing.number, passing.target.backend});
}

// --- the client ---

void ProxiedRequests::read_body(Session& session, Now now) {
    Passing* passing = of(session);
    if (!passing) return;
    std::string& buffer = session.handshaking->bytes;
    if (!passing->exchange.request_complete() && !buffer.empty()) {
        session.last_heard_ms = now.steady_ms;
        const size_t before = buffer.size();
        std::string_view rest = buffer;
        const HttpExchange::State state = passing->exchange.read_request(rest);
        if (state == HttpExchange::State::broken)
            return fail(*passing, passing->exchange.status(), std::string(passing->exchange.reason()), now);
        counters_.tunnel_bytes_in.add(before - rest.size());
        buffer.erase(0, before - rest.size());
        if (passing->reach_by_ms == 0) actions_.upstreams_to_flush.push_back(passing->number);
        if (passing->exchange.output().size() > most_proxied_bytes) session.input_full = true;
    }
    const bool breaks_off = session.handshaking->said_all && !passing->exchange.request_complete();
    if (breaks_off) return fail(*passing, 400, "the request has ended before its body", now);
    if (buffer.size() > session.handshaking->most_ahead)
        fail(*passing, 400, "too much was sent before the request was answered", now);
}

void ProxiedRequests::late(Session& session, Now now) {
    if (Passing* passing = of(session))
        fail(*passing, 504, "neither side has said anything for too long", now);
}

void ProxiedRequests::ended(const Session& session) {
    if (Passing* passing = of(session)) close(*passing);
    kept_.drop(session.number);
}

bool ProxiedRequests::client_finished(Session& session) {
    Passing* passing = of(session);
    // What it has said besides is still in its socket where it was not read from.
    if (!passing || (!passing->exchange.request_complete() && !session.input_full)) return false;
    // Nothing can be said in the middle of a response, and one without an end may say nothing for long: who
    // hears it and says his end is gone.
    if (passing->answered && !passing->exchange.has_end()) return false;
    probe(*passing, session);
    return true;
}

// A FIN is said by a client that waits for its answer, and by one that is gone: it has closed a socket that
// nobody reads from any more, and whatever it is told is answered with a reset.
void ProxiedRequests::probe(Passing& passing, Session& session) {
    if (!passing.exchange.takes_interim() || std::exchange(passing.probed, true)) return;
    outbox_.queue(session, framed("HTTP/1.1 100 Continue\r\n\r\n"));
}

void ProxiedRequests::sent(Session& session, Now now) {
    Passing* passing = of(session);
    if (!passing) return;
    session.last_heard_ms = now.steady_ms;
    if (passing->paused && session.queue.bytes() <= most_proxied_bytes / 2) {
        passing->paused = false;
        actions_.upstreams_to_read.push_back(passing->number);
    }
}

// --- the backend ---

void ProxiedRequests::connected(uint64_t number, Now) {
    Passing* passing = find(number);
    if (!passing) return;
    reaching_.erase({passing->reach_by_ms, number});
    passing->reach_by_ms = 0;
    actions_.upstreams_to_flush.push_back(number);
}

void ProxiedRequests::received(uint64_t number, std::span<char> bytes, Now now) {
    Passing* passing = find(number);
    if (!passing) return kept_.drop_upstream(number);
    Session* session = client_of(*passing);
    if (!session) return close(*passing);
    session->last_heard_ms = now.steady_ms;
    if (stopping_) passing->exchange.close_after();
    std::string told;
    const auto state = passing->exchange.read_response({bytes.data(), bytes.size()}, told);
    go_on(*passing, *session, state, std::move(told), now);
}

// It may be the end of a response that says no length.
void ProxiedRequests::finished(uint64_t number, Now now) {
    Passing* passing = find(number);
    Session* session = passing ? client_of(*passing) : nullptr;
    if (!session || passing->reach_by_ms != 0) return;
    if (passing->reuses && passing->exchange.heard_nothing()) return;  // gone() asks again
    std::string told;
    const auto state = passing->exchange.end_response(told);
    go_on(*passing, *session, state, std::move(told), now);
}

void ProxiedRequests::gone(uint64_t number, const std::string& why, Now now) {
    Passing* passing = find(number);
    if (!passing) return kept_.gone(number);
    if (!client_of(*passing)) return close(*passing);
    if (passing->reuses && passing->exchange.heard_nothing()) return ask_again(*passing, now);
    const bool reached = passing->reach_by_ms == 0;
    fail(*passing, 502, (reached ? "the backend has broken off: " : "the backend is not reached: ") + why,
         now);
}

// The backend has ended the connection while the request was on its way, which says nothing about the
// request.
void ProxiedRequests::ask_again(Passing& passing, Now now) {
    auto it = passing_.find(passing.number);
    std::unique_ptr<Passing> again = std::move(it->second);
    passing_.erase(it);
    again->reuses = false;
    again->exchange.repeat();
    const int64_t look_by_ms = again->look_by_ms;
    look_at(*again, Session::never_ms);
    dial(*again, now);  // by which it has another number
    look_at(*again, look_by_ms);
    if (!to_judge_.empty()) to_judge_.push_back(again->number);
    of_session_[again->session] = again->number;
    passing_.emplace(again->number, std::move(again));
}

void ProxiedRequests::go_on(Passing& passing, Session& session, HttpExchange::State state, std::string told,
                            Now now) {
    if (state == HttpExchange::State::broken)
        return fail(passing, passing.exchange.status(), std::string(passing.exchange.reason()), now);
    counters_.tunnel_bytes_out.add(told.size());
    if (!told.empty()) {
        passing.answered = passing.exchange.answered();
        outbox_.queue(session, framed(std::move(told)));
    }
    if (state == HttpExchange::State::complete) return conclude(passing, session, now);
    if (session.queue.bytes() > most_proxied_bytes) passing.paused = true;
}

void ProxiedRequests::conclude(Passing& passing, Session& session, Now now) {
    const bool keep = passing.exchange.keep_alive() && passing.exchange.request_complete();
    if (keep && passing.exchange.leaves_open()) {
        actions_.upstreams_to_read.push_back(passing.number);
        kept_.keep(session.number, passing.number, passing.target.backend, now);
        finish(passing);
    } else {
        close(passing);
    }
    session.opened_ms = now.steady_ms;  // the next request has a deadline of its own
    if (keep) {
        session.handshaking->kept_open = session.handshaking->bytes.empty();
        answered_.push_back(session.id);
    } else {
        outbox_.finish(session);
    }
    deadlines_.reschedule(session, now);
}

// What the client is told is in words of our own; if it has heard a part of a response, that the connection
// ends tells it that this was not all (RFC 9112 8).
void ProxiedRequests::fail(Passing& passing, int status, std::string why, Now now) {
    Session* session = client_of(passing);
    if (status >= 500) {
        note(passing, why, now);
        counters_.tunnels_refused.add();
    }
    const bool answered = passing.answered;
    close(passing);
    if (!session) return;
    if (answered) return outbox_.abort(*session);
    const Reason reason = status >= 500 ? Reason::unavailable : Reason::bad_request;
    refuse(*session, status, Rejection::of(reason, std::move(why)), now);
}

bool ProxiedRequests::may_read(uint64_t number) const {
    const Passing* passing = find(number);
    return passing ? !passing->paused : kept_.holds(number);
}

std::string_view ProxiedRequests::output(uint64_t number) const {
    const Passing* passing = find(number);
    return passing ? passing->exchange.output() : std::string_view();
}

void ProxiedRequests::written(uint64_t number, size_t bytes, Now now) {
    Passing* passing = find(number);
    if (!passing) return;
    passing->exchange.written(bytes);
    Session* session = client_of(*passing);
    if (!session) return;
    session->last_heard_ms = now.steady_ms;
    if (!passing->exchange.output().empty()) return;
    if (std::exchange(session->input_full, false)) actions_.to_read.push_back(session->id);
}

size_t ProxiedRequests::held(const Session& session) const {
    const Passing* passing = of(session);
    return passing ? passing->exchange.held() : 0;
}

void ProxiedRequests::tick(Now now) {
    kept_.tick(now);
    while (!reaching_.empty() && reaching_.begin()->first <= now.steady_ms) {
        Passing* passing = find(reaching_.begin()->second);
        reaching_.erase(reaching_.begin());
        if (passing) fail(*passing, 504, "the backend is not reached in time", now);
    }
    rejudge_some(now);
    while (!looking_.empty() && looking_.begin()->first <= now.steady_ms) {
        Passing* passing = find(looking_.begin()->second);
        looking_.erase(looking_.begin());
        if (passing) look(*passing, now);
    }
}

// --- the right to it ---

void ProxiedRequests::look_at(Passing& passing, int64_t at_ms) {
    looking_.erase({passing.look_by_ms, passing.number});
    passing.look_by_ms = at_ms;
    if (at_ms != Session::never_ms) looking_.emplace(at_ms, passing.number);
}

void ProxiedRequests::look(Passing& passing, Now now) {
    if (passing.over) return break_off(passing, now);
    if (auto over = passing.right->ended(now)) return take_right(passing, std::move(*over), now);
    look_at(passing, passing.right->ends_at_ms(now));
}

// Most responses are complete in this time.
void ProxiedRequests::take_right(Passing& passing, RequestRight::Over over, Now now) {
    passing.over = std::move(over);
    look_at(passing, now.steady_ms + bindings_.settings().close_timeout_ms);
}

// What says where it ends may do so. What does not may never end, and nobody takes its part for the whole.
void ProxiedRequests::break_off(Passing& passing, Now now) {
    passing.look_by_ms = Session::never_ms;
    if (passing.answered && passing.exchange.has_end()) return passing.right.reset();
    Session* session = client_of(passing);
    const RequestRight right = std::move(*passing.right);
    const RequestRight::Over over = std::move(*passing.over);
    const bool answered = passing.answered;
    close(passing);
    if (!session) return;
    if (!answered) return refuse(*session, over.status, over.rejection, now);
    outbox_.abort(*session);
    if (over.rejection.reason == Reason::unavailable) return;  // it has become as old as it may
    counters_.refuse(over.rejection.reason);
    log_.tell_of_request(session->peer.ip, right.route().name, right.path(), over.rejection, now);
}

void ProxiedRequests::refuse(Session& session, int status, Rejection rejection, Now now) {
    admission_.refuse_request(session, status, std::move(rejection), "", now);
    session.opened_ms = now.steady_ms;
    deadlines_.reschedule(session, now);
}

void ProxiedRequests::rejudge_some(Now now) {
    if (judged_by_ != bindings_.shared()) {
        judged_by_ = bindings_.shared();
        to_judge_.clear();
        for (const auto& [number, passing] : passing_) to_judge_.push_back(number);
    }
    for (size_t some = 0; some < rejudged_a_tick && !to_judge_.empty(); ++some) {
        Passing* passing = find(to_judge_.back());
        to_judge_.pop_back();
        if (passing && !passing->over) rejudge(*passing, now);
    }
}

void ProxiedRequests::rejudge(Passing& passing, Now now) {
    if (auto over = passing.right->judge(bindings_, now)) return take_right(passing, std::move(*over), now);
    look_at(passing, passing.right->ends_at_ms(now));
    Session* session = client_of(passing);
    if (!session) return;
    session->handshaking->passing_silence_ms = silence_of(passing.right->route());
    deadlines_.reschedule(*session, now);
}

// --- look-up ---

ProxiedRequests::Passing* ProxiedRequests::find(uint64_t number) const {
    const auto it = passing_.find(number);
    return it == passing_.end() ? nullptr : it->second.get();
}

ProxiedRequests::Passing* ProxiedRequests::of(const Session& session) const {
    const auto it = of_session_.find(session.number);
    return it == of_session_.end() ? nullptr : find(it->second);
}

Session* ProxiedRequests::client_of(const Passing& passing) const {
    Session* session = sessions_.find(passing.client);
    const bool same = session && session->number == passing.session;
    return same && session->handshaking && !session->abort_listed ? session : nullptr;
}

void ProxiedRequests::close(Passing& passing) {
    actions_.upstreams_to_abort.push_back(passing.number);
    finish(passing);
}

void ProxiedRequests::finish(Passing& passing) {
    if (Session* session = sessions_.find(passing.client);
        session && session->number == passing.session && session->handshaking) {
        session->handshaking->passing_silence_ms = 0;
        if (std::exchange(session->input_full, false)) actions_.to_read.push_back(session->id);
    }
    for (const std::string& key : passing.entered) limits_.leave(key);
    if (passing.reach_by_ms != 0) reaching_.erase({passing.reach_by_ms, passing.number});
    looking_.erase({passing.look_by_ms, passing.number});
    if (!passing.alias.empty()) counters_.aliases.closed(passing.alias);
    of_session_.erase(passing.session);
    passing_.erase(passing.number);
}

void ProxiedRequests::note(const Passing& passing, std::string text, Now now) {
    Event event{"proxy-failed", std::move(text), Severity::warning};
    event.with("backend", passing.target.backend->name);
    event.with("path", passing.target.path.substr(0, passing.target.path.find('?')));
    log_.tell(std::move(event), passing.target.backend->name, "proxy", now);
}

}  // namespace wayleave
