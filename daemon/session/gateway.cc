#include "daemon/session/gateway.h"

#include <utility>

#include "daemon/session/gateway_parts.h"

namespace wayleave {
Gateway::Gateway(uint32_t worker, const GatewayShared& shared, Counters& counters,
                 std::shared_ptr<const Runtime> runtime)
    : parts_(std::make_unique<GatewayParts>(worker, shared, counters, std::move(runtime))) {}

Gateway::~Gateway() = default;

// What is over with an event is done here, where nobody is in the middle of a list.
void Gateway::finish_event(Now now) {
    parts_->replayer.catch_up(now);
    for (const ConnectionId id : parts_->proxied.take_answered())
        if (Session* session = parts_->sessions.find(id)) parts_->http.go_on(*session, now);
    parts_->closing.end_marked(now);
}

void Gateway::set_gauges() {
    Counters& counters = parts_->counters;
    counters.sockets.set(parts_->sessions.count());
    counters.channels.set(parts_->hub.channels());
    counters.gathered_bytes.set(parts_->hub.gathered_bytes());
    counters.subscriptions.set(parts_->hub.subscriptions());
    counters.grants.set(parts_->subscriptions.grants());
    counters.grant_bytes.set(parts_->subscriptions.grant_bytes());
    counters.vouched.set(parts_->subscriptions.vouched());
}

// --- connections ---

ConnectionId Gateway::opened(const Peer& peer, Now now) {
    Session& session = parts_->sessions.open();
    session.peer = peer;
    session.number = parts_->numbers.next();
    session.opened_ms = session.last_heard_ms = now.steady_ms;
    set_gauges();
    parts_->deadlines.reschedule(session, now);
    return session.id;
}

void Gateway::secured(ConnectionId id, uint16_t version, std::shared_ptr<const std::string> certificate) {
    Session* session = parts_->sessions.find(id);
    if (!session) return;
    session->peer.tls_version = version;
    session->peer.certificate = std::move(certificate);
}

void Gateway::received(ConnectionId id, std::span<char> bytes, Now now) {
    Session* session = parts_->sessions.find(id);
    if (!session || session->last_bytes || session->abort_listed) return;
    parts_->counters.bytes_in.add(bytes.size());
    if (session->state == Session::State::head) {
        parts_->http.read(*session, {bytes.data(), bytes.size()}, now);
    } else {
        session->bytes_in += bytes.size();
        // They may hold many messages.
        parts_->broker.gather(parts_->worker);
        parts_->frames.read(*session, bytes, now);
        parts_->broker.hand_over(parts_->worker);
    }
    finish_event(now);
}

bool Gateway::finished(ConnectionId id, Now now) {
    Session* session = parts_->sessions.find(id);
    const bool owed = session && parts_->http.finished(*session);
    finish_event(now);
    return owed;
}

bool Gateway::owes_answer(ConnectionId id) const {
    const Session* session = parts_->sessions.find(id);
    return session && HttpFront::owes_answer(*session);
}

void Gateway::closed(ConnectionId id, Now now) {
    Session* session = parts_->sessions.find(id);
    if (!session) return;
    Counters& counters = parts_->counters;
    parts_->streams.ended(*session, now);
    parts_->tunnels.ended(*session);
    parts_->proxied.ended(*session);
    if (session->binding) parts_->notifications.disconnected(*session, now);
    parts_->subscriptions.leave_all(*session, now);
    parts_->outbox.forget(*session);
    parts_->kept.forget(*session);
    if (session->stream) counters.streams.set(counters.streams.get() - 1);
    parts_->relay.forget(session->number);
    parts_->api.forget(*session);
    for (const std::string& key : session->entered) parts_->limits.leave(key);
    for (const std::string& key : session->connection_slots)
        parts_->slots.leave(key, {parts_->worker, pack(id), session->number});
    if (session->binding) {
        counters.connections.set(counters.connections.get() - 1);
        if (session->alias) counters.aliases.closed(*session->alias);
        parts_->log.tell_closed(*session, now);
    }
    parts_->sessions.close(id);
    set_gauges();
    finish_event(now);
}

void Gateway::answered(ConnectionId id, uint64_t question, Proof proof, Now now) {
    Session* session = parts_->sessions.find(id);
    if (!session) return;
    if (parts_->rechecks.answered(*session, question, proof, now)) return finish_event(now);
    if (auto waiting = parts_->grants.answered(*session, question, proof, now)) {
        parts_->native.resume(*session, std::move(*waiting), nullptr, now);
        return finish_event(now);
    }
    if (!parts_->questions.note_answer(*session, question, std::move(proof))) return finish_event(now);
    if (session->state == Session::State::head && std::exchange(session->input_full, false))
        parts_->actions.to_read.push_back(id);
    if (session->state == Session::State::open) {
        parts_->authentication.go_on(*session, now);
    } else if (session->state == Session::State::head) {
        session->handshaking->scanned = 0;
        parts_->http.read(*session, {}, now);
    }
    finish_event(now);
}

size_t Gateway::delivered(std::span<const Publication> publications, Allowance& allowance, Now now) {
    const size_t done = parts_->delivery.deliver(publications, allowance, now);
    finish_event(now);
    return done;
}

size_t Gateway::stalled() const {
    return parts_->outbox.stalled();
}

bool Gateway::may_read(ConnectionId id) const {
    const Session* session = parts_->sessions.find(id);
    return !session || !session->input_full;
}

bool Gateway::hold(ConnectionId id) {
    Session* session = parts_->sessions.find(id);
    if (!session || !session->publishes || session->state == Session::State::closing) return false;
    session->held = true;
    return true;
}

void Gateway::go_on(ConnectionId id, Now now) {
    Session* session = parts_->sessions.find(id);
    if (session && session->held) {
        Deadlines::excuse(*session, now);
        session->held = false;
    }
    finish_event(now);
}

int64_t Gateway::release_at_ms() const {
    return parts_->delivery.conflator().release_at_ms();
}

void Gateway::release(Now now) {
    parts_->delivery.conflator().release(now);
    finish_event(now);
}

void Gateway::answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    broker_answered(ticket, std::move(answer), now);
    finish_event(now);
}

void Gateway::broker_answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    const auto request = parts_->requests.take(ticket);
    if (!request) return;
    parts_->counters.broker_time.add((now.steady_ms - request->asked_ms) * 1000);
    Session* session = parts_->sessions.find(request->id);
    if (request->api) {
        if (parts_->api.answered(session, *request, std::move(answer), now))
            parts_->http.read(*session, {}, now);
        return;
    }
    if (request->kind == BrokerRequest::Kind::order)
        return parts_->publisher.note_order(std::get<Receipt>(answer));
    if (!session || session->state != Session::State::open) return;
    switch (request->kind) {
        case BrokerRequest::Kind::publish:
            --session->unanswered;
            return parts_->publisher.published(*session, *request->publishing,
                                               std::get<Receipt>(std::move(answer)), now);
        case BrokerRequest::Kind::replay:
            return parts_->replayer.take_page(*session, request->channel, ticket, std::get<Page>(answer),
                                              now);
        case BrokerRequest::Kind::history:
            return parts_->queries.answer_history(*session, request->re, std::get<Page>(answer), now);
        case BrokerRequest::Kind::acknowledge:
            return parts_->queries.answer_acknowledge(*session, request->re, std::get<Receipt>(answer), now);
        case BrokerRequest::Kind::presence:
            return parts_->queries.answer_presence(*session, request->re, std::get<Roster>(answer), now);
        case BrokerRequest::Kind::progress:       // no client asks so
        case BrokerRequest::Kind::order: return;  // see above
    }
}

void Gateway::upstream_connected(uint64_t number, Now now) {
    parts_->upstream_user(number).connected(number, now);
    finish_event(now);
}

void Gateway::upstream_received(uint64_t number, std::span<char> bytes, Now now) {
    parts_->upstream_user(number).received(number, bytes, now);
    finish_event(now);
}

void Gateway::upstream_gone(uint64_t number, const std::string& why, Now now) {
    parts_->upstream_user(number).gone(number, why, now);
    finish_event(now);
}

void Gateway::upstream_finished(uint64_t number, Now now) {
    parts_->upstream_user(number).finished(number, now);
    finish_event(now);
}

bool Gateway::upstream_may_read(uint64_t number) const {
    return parts_->upstream_user(number).may_read(number);
}

std::string_view Gateway::upstream_output(uint64_t number) const {
    return parts_->upstream_user(number).output(number);
}

void Gateway::end_idle_upstreams() {
    parts_->proxied.end_idle_upstreams();
}

void Gateway::upstream_sent(uint64_t number, size_t bytes, Now now) {
    parts_->upstream_user(number).written(number, bytes, now);
}

void Gateway::handle_relayed(const RelayedMessage& relayed, Now now) {
    parts_->messages.handle_relayed(relayed, now);
    finish_event(now);
}

void Gateway::backend_answered(uint64_t call, const BackendAnswer& answer, Now now) {
    if (Rulings::is_question(call)) {
        ruled(call, answer, now);
    } else {
        parts_->forwarder.answered(call, answer, now);
    }
    finish_event(now);
}

void Gateway::ruled(uint64_t call, const BackendAnswer& answer, Now now) {
    const auto ruled = parts_->rulings.answered(call, answer, now);
    if (!ruled) return;
    for (const ConnectionId id : ruled->waiting) {
        Session* session = parts_->sessions.find(id);
        if (!session) continue;
        parts_->vouchers.settle(*session, *ruled, now);
        while (auto waiting = parts_->vouchers.released(*session, *ruled, now))
            parts_->native.resume(*session, std::move(*waiting), &*ruled, now);
    }
}

void Gateway::notice_answered(ConnectionId id, uint64_t session, std::string_view backend,
                              const BackendAnswer& answer, Now now) {
    Session* known = parts_->sessions.find(id);
    if (known && (known->number != session || known->state != Session::State::open)) known = nullptr;
    parts_->orders.carry_out(answer, backend, known, now);
    finish_event(now);
}

void Gateway::relay_reply(const RelayReply& answer, Now now) {
    Session* session = parts_->sessions.find(answer.to);
    if (session && parts_->posts.reply(*session, answer, now)) parts_->http.read(*session, {}, now);
    finish_event(now);
}

void Gateway::carry_out(ApiOrder order, Now now) {
    parts_->api_orders.carry_out(std::move(order), now);
    finish_event(now);
}

void Gateway::order_done(const ApiOrder& order, Now now) {
    Session* session = parts_->sessions.find(order.from);
    if (session && parts_->api.ordered(*session, order, now)) parts_->http.read(*session, {}, now);
    finish_event(now);
}

size_t Gateway::receivers(const Receivers& of) const {
    return receivers_in(parts_->hub, of);
}

uint32_t Gateway::worker_of(uint64_t session) {
    return SessionNumbers::worker_of(session);
}

void Gateway::evict(const SlotHolder& occupant, Now now) {
    Session* session = parts_->sessions.find(unpack(occupant.place));
    if (!session || session->number != occupant.session || session->state != Session::State::open) return;
    parts_->outbox.end(
        *session, Rejection::of(Reason::replaced, "a newer connection has taken the place of this one"), now);
    finish_event(now);
}

void Gateway::replace(std::shared_ptr<const Runtime> runtime, Now) {
    parts_->reload.replace(std::move(runtime));
}

bool Gateway::walk(size_t& next, const std::function<void(const OpenConnection&)>& see, Now now) {
    return parts_->operators.walk(next, see, now);
}

bool Gateway::walk_channels(size_t& next, const std::function<void(const ChannelSummary&)>& see) const {
    return parts_->operators.walk_channels(next, see);
}

bool Gateway::end(size_t& next, size_t most, const std::function<bool(const OpenConnection&)>& choose,
                  const Farewell& farewell, Now now) {
    const bool all = parts_->operators.end(next, most, choose, farewell, now);
    finish_event(now);
    return all;
}

void Gateway::watch(std::shared_ptr<const TraceFilters> filters) {
    parts_->tracer.watch(std::move(filters));
}

bool Gateway::survey(const Runtime& candidate, ReloadImpact& survey, Now now) {
    return parts_->reload.survey(candidate, survey, now);
}

void Gateway::shed(Now now) {
    parts_->bindings.forget();
    parts_->log.forget();
    parts_->rulings.forget();
    std::vector<Outbox::Holding> all;
    size_t next = 0;
    (void)parts_->sessions.visit(next, SIZE_MAX, [&](Session& session) {
        const size_t for_backends =
            parts_->streams.held(session) + parts_->tunnels.held(session) + parts_->proxied.held(session);
        all.push_back({&session, session.queue.bytes() + for_backends});
        return true;
    });
    parts_->outbox.shed(std::move(all), now);
    parts_->delivery.conflator().release_all(now);  // last: who is offered it now has not been slow yet
    finish_event(now);
}

void Gateway::tick(Now now) {
    parts_->clock.tick(now);
    // A broker that is stuck: who asked is told so.
    while (auto overdue = parts_->requests.next_overdue(now)) {
        parts_->counters.unanswered.add();
        broker_answered(overdue->first, std::move(overdue->second), now);
    }
    parts_->replayer.tick(now);
    parts_->streams.tick(now);
    parts_->tunnels.tick(now);
    parts_->proxied.tick(now);
    parts_->log.tick(now);
    if (parts_->worker == 0) {
        parts_->limits.forget_idle(now.steady_ms);
        parts_->bans.forget_quiet(now.steady_ms);
        parts_->broker.tick(now);
        parts_->presence.tick(now);
    }
    set_gauges();
    finish_event(now);
}

void Gateway::drain(Drain drain, Now now) {
    parts_->clock.drain(drain, now);
    finish_event(now);
}

Actions& Gateway::actions() {
    return parts_->actions;
}

SendQueue* Gateway::output(ConnectionId id) {
    Session* session = parts_->sessions.find(id);
    if (!session) return nullptr;
    session->flush_listed = false;
    return &session->queue;
}

void Gateway::sent(ConnectionId id, size_t bytes, Now now) {
    Session* session = parts_->sessions.find(id);
    if (session && parts_->outbox.sent(*session, bytes, now)) {
        parts_->streams.drained(*session, now);
        if (session->tunnelled) parts_->tunnels.drained(*session);
        if (session->owed) parts_->notes.note_delivered(*session, now);
        if (!session->replays.empty()) parts_->replayer.replay_some(*session, now);
    } else if (session && session->state == Session::State::head) {
        parts_->proxied.sent(*session, now);
        if (session->queue.empty()) parts_->http.go_on(*session, now);
    }
    finish_event(now);
}

void Gateway::blocked(ConnectionId id, Now now) {
    if (Session* session = parts_->sessions.find(id)) parts_->outbox.blocked(*session, now);
    finish_event(now);
}

bool Gateway::closing(ConnectionId id) const {
    const Session* session = parts_->sessions.find(id);
    return session && session->last_bytes;
}

size_t Gateway::sockets() const {
    return parts_->sessions.count();
}

bool Gateway::drained() const {
    return parts_->clock.draining() && parts_->sessions.count() == 0;
}

}  // namespace wayleave
