#include "daemon/session/gateway.h"

#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

constexpr int64_t tick_ms = 100;
constexpr size_t most_bindings = 4096;

// A session's number names its worker in the low bits. The others cannot be guessed: who sends a POST for a
// session shows that he knows it, and on a public route nothing else.
constexpr uint64_t worker_mask = 0xff;

uint64_t random_seed() {
    uint64_t seed = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed) != 1) {
        throw std::runtime_error("OpenSSL has no random numbers");
    }
    return seed;
}

uint64_t session_number(uint32_t worker) {
    uint64_t number = 0;
    while (number >> 8U == 0) number = random_seed();
    return (number & ~worker_mask) | (worker & worker_mask);
}

std::string binding_key(const dsl::Route& route, const dsl::AtomBits& answers) {
    std::string key(route.name);
    key += '\0';
    key.append(reinterpret_cast<const char*>(answers.data()), answers.size() * sizeof answers[0]);
    return key;
}

}  // namespace

Gateway::Impl::Impl(uint32_t worker, Broker& broker_in, LimitTable& limits_in, BanTable& bans_in,
                    Counters& counters_in, std::shared_ptr<const Runtime> runtime)
    : broker(broker_in),
      limits(limits_in),
      bans(bans_in),
      counters(counters_in),
      worker_(worker),
      runtime_(std::move(runtime)),
      hub_(worker, broker_in),
      numbers_(random_seed()),
      name_(epoch_text(numbers_())) {}

// --- life-cycle ---

Session* Gateway::Impl::find(ConnectionId id) {
    if (id.index >= slots_.size()) return nullptr;
    Slot& slot = slots_[id.index];
    return slot.generation == id.generation ? slot.session.get() : nullptr;
}

ConnectionId Gateway::Impl::opened(const Peer& peer, Now now) {
    if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    ++slot.generation;
    slot.session = std::make_unique<Session>();
    Session& session = *slot.session;
    session.id = {index, slot.generation};
    session.peer = peer;
    session.number = session_number(worker_);
    session.opened_ms = session.last_heard_ms = now.steady_ms;
    ++sockets;
    set_gauges();
    reschedule(session, now);
    return session.id;
}

void Gateway::Impl::closed(ConnectionId id, Now now) {
    Session* session = find(id);
    if (!session) return;
    leave_channels(*session, now);
    set_stalled(*session, false);
    if (session->stream) counters.streams.set(counters.streams.get() - 1);
    if (by_number_.erase(session->number) > 0) end_errands(session->number);
    give_back(*session);
    if (session->binding) {
        counters.connections.set(counters.connections.get() - 1);
        tell_closed(*session, now);
    }
    slots_[id.index].session.reset();
    free_.push_back(id.index);
    --sockets;
    set_gauges();
}

void Gateway::Impl::secured(ConnectionId id, uint16_t version,
                            std::shared_ptr<const std::string> certificate) {
    Session* session = find(id);
    if (!session) return;
    session->peer.tls_version = version;
    session->peer.certificate = std::move(certificate);
}

void Gateway::Impl::received(ConnectionId id, std::span<char> bytes, Now now) {
    Session* session = find(id);
    if (!session || session->last_bytes || session->abort_listed) return;
    counters.bytes_in.add(bytes.size());
    if (session->state == Session::State::head) {
        read_head(*session, {bytes.data(), bytes.size()}, now);
    } else {
        session->bytes_in += bytes.size();
        read_frames(*session, bytes, now);
    }
}

std::shared_ptr<const Binding> Gateway::Impl::bind(const dsl::Route& route, const dsl::AtomBits& answers) {
    std::string key = binding_key(route, answers);
    if (const auto it = bindings_.find(key); it != bindings_.end()) return it->second;
    // Connections hold what they use, so that forgetting costs only the sharing.
    if (bindings_.size() >= most_bindings) bindings_.clear();
    auto binding =
        std::make_shared<const Binding>(Binding{runtime_, &route, dsl::fold(route.program, answers)});
    bindings_.emplace(std::move(key), binding);
    return binding;
}

void Gateway::Impl::drain(bool at_once, Now now) {
    if (draining) return;
    draining = true;
    next_drain_ = 0;
    const auto ticks = static_cast<size_t>(std::max<int64_t>(1, runtime_->settings.drain_ms / tick_ms));
    drain_step_ = at_once ? sockets : sockets / ticks + 1;
    drain_some(now);
}

void Gateway::Impl::drain_some(Now now) {
    for (size_t done = 0; done < drain_step_ && next_drain_ < slots_.size(); ++next_drain_) {
        Session* session = slots_[next_drain_].session.get();
        if (!session || session->state == Session::State::closing) continue;
        ++done;
        if (session->state == Session::State::head) {
            send_last(*session, problem_response(503, "unavailable",
                                                 Rejection::of(Reason::unavailable, "the server is stopping"),
                                                 false, ""));
        } else {
            const auto spread = static_cast<uint64_t>(std::max<int64_t>(1000, runtime_->settings.drain_ms));
            close(*session, 1001, "drain", "the server is stopping",
                  static_cast<int64_t>(numbers_() % spread), now);
        }
    }
}

// --- deadlines ---

void Gateway::Impl::tick(Now now) {
    wheel_.advance(now.steady_ms, [&](uint64_t item) {
        Session* session = find(unpack(item));
        // An entry that an earlier one has replaced finds a later wake_ms, and is nothing.
        if (session && session->wake_ms <= now.steady_ms) wake(*session, now);
        end_marked(now);
    });
    if (next_rebind_ < slots_.size()) rebind_some(now);
    if (draining) drain_some(now);
    end_questions(now);
    continue_replays(now);
    events_.tick(now);
    if (worker_ == 0) {
        limits.forget_idle(now.steady_ms);
        bans.forget_quiet(now.steady_ms);
        broker.tick(now);
    }
    set_gauges();
}

void Gateway::Impl::schedule(Session& session, int64_t when_ms, Now now) {
    // The wheel reaches 100 s; what lies beyond is asked for again then.
    const int64_t at = std::min(when_ms, now.steady_ms + 90'000);
    if (session.wake_ms <= at) return;
    session.wake_ms = at;
    wheel_.add(pack(session.id), at, now.steady_ms);
}

void Gateway::Impl::reschedule(Session& session, Now now) {
    schedule(session, next_wake(session, now), now);
}

int64_t Gateway::Impl::next_wake(const Session& session, Now now) const {
    if (session.close_by_ms != Session::never_ms) return session.close_by_ms;
    if (session.state == Session::State::ending) return Session::never_ms;
    if (session.state == Session::State::head)
        return session.opened_ms + runtime_->settings.handshake_timeout_ms;
    const dsl::Route& route = *session.binding->route;
    int64_t when = session.pending_close ? session.pending_close->at_ms : Session::never_ms;
    if (route.idle_timeout_ms > 0 && !session.stream)
        when = std::min(when, session.last_heard_ms + route.idle_timeout_ms);
    if (route.ping_every_ms > 0)
        when = std::min(when, std::max(session.last_heard_ms, session.last_ping_ms) + route.ping_every_ms);
    if (session.message_since_ms > 0) when = std::min(when, complete_by(session));
    if (awaits_pong(session)) when = std::min(when, session.last_ping_ms + route.pong_timeout_ms);
    if (route.max_lifetime_ms > 0) when = std::min(when, session.opened_ms + route.max_lifetime_ms);
    if (session.expires_ms > 0) when = std::min(when, now.steady_ms + session.expires_ms - now.wall_ms);
    return when;
}

// When the message that has begun must be whole.
int64_t Gateway::Impl::complete_by(const Session& session) const {
    const int64_t idle_ms = session.binding->route->idle_timeout_ms;
    const int64_t most_ms = runtime_->settings.message_timeout_ms;
    return session.message_since_ms + (idle_ms > 0 ? std::min(idle_ms, most_ms) : most_ms);
}

// A ping is on its way, and nothing was heard since. What is stalled is not read from, either.
bool Gateway::Impl::awaits_pong(const Session& session) {
    return session.binding->route->pong_timeout_ms > 0 && !session.stream &&
           session.last_ping_ms > session.last_heard_ms && !session.stalled;
}

void Gateway::Impl::wake(Session& session, Now now) {
    session.wake_ms = Session::never_ms;
    if (session.abort_listed) return;
    if (session.held) excuse(session, now);
    if (session.close_by_ms <= now.steady_ms) return abort(session);
    if (session.state == Session::State::open) {
        wake_open(session, now);
    } else if (session.state == Session::State::head &&
               session.opened_ms + runtime_->settings.handshake_timeout_ms <= now.steady_ms) {
        // Nothing came, or our answer is not taken.
        if ((session.handshaking->bytes.empty() && !session.post) || session.last_bytes ||
            !session.queue.empty())
            return abort(session);
        if (session.post && session.post->sent) return late_answer(session, now);
        const Reason reason = session.awaiting ? Reason::unavailable : Reason::idle;
        refuse_request(
            session, default_status(reason),
            Rejection::of(reason, session.awaiting ? "nobody said in time whether the token is good"
                                                   : "the request was not complete in time"),
            {}, now);
        session.close_by_ms = now.steady_ms + runtime_->settings.close_timeout_ms;
    }
    if (!session.abort_listed) reschedule(session, now);
}

void Gateway::Impl::wake_open(Session& session, Now now) {
    const dsl::Route& route = *session.binding->route;
    if (session.pending_close && session.pending_close->at_ms <= now.steady_ms)
        return close_pending(session, now);
    if (session.expires_ms > 0 && session.expires_ms <= now.wall_ms) {
        return end(session, Rejection::of(Reason::expired, "the token has expired"), now);
    }
    if (route.max_lifetime_ms > 0 && session.opened_ms + route.max_lifetime_ms <= now.steady_ms) {
        const auto spread = static_cast<int64_t>(500 + numbers_() % 1500);
        return close(session, 1001, "max_lifetime", "the connection has reached its greatest age", spread,
                     now);
    }
    if (session.message_since_ms > 0 && complete_by(session) <= now.steady_ms) {
        return end(session, Rejection::of(Reason::idle, "a message was not complete in time"), now);
    }
    // Who hears a stream says nothing.
    if (route.idle_timeout_ms > 0 && !session.stream &&
        session.last_heard_ms + route.idle_timeout_ms <= now.steady_ms) {
        return end(session, Rejection::of(Reason::idle, "nothing was heard"), now);
    }
    if (awaits_pong(session) && session.last_ping_ms + route.pong_timeout_ms <= now.steady_ms) {
        return end(session, Rejection::of(Reason::idle, "a ping was not answered"), now);
    }
    const int64_t quiet_since = std::max(session.last_heard_ms, session.last_ping_ms);
    if (route.ping_every_ms > 0 && quiet_since + route.ping_every_ms <= now.steady_ms) {
        session.last_ping_ms = now.steady_ms;
        static const Frame ping = framed(encode_frame(Opcode::ping, ""));
        static const Frame heartbeat = framed(std::string(sse_heartbeat));
        // Where something waits, a heartbeat tells nobody anything.
        if (!session.stream || session.queue.empty()) send(session, session.stream ? heartbeat : ping, now);
    }
}

// --- what a connection occupies ---

void Gateway::Impl::give_back(Session& session) {
    for (const std::string& key : session.entered) limits.leave(key);
    for (const std::string& key : session.connection_slots)
        broker.leave_seat(key, {worker_, pack(session.id), session.number});
}

void Gateway::Impl::evict(const SlotHolder& occupant, Now now) {
    Session* session = find(unpack(occupant.place));
    if (!session || session->number != occupant.session || session->state != Session::State::open) return;
    end(*session, Rejection::of(Reason::replaced, "a newer connection has taken the place of this one"), now);
}

void Gateway::Impl::set_gauges() {
    counters.sockets.set(sockets);
    counters.channels.set(hub_.channels());
    counters.gathered_bytes.set(gathered_bytes_);
    counters.subscriptions.set(hub_.subscriptions());
}

// --- output ---

void Gateway::Impl::list_flush(Session& session) {
    if (session.flush_listed) return;
    session.flush_listed = true;
    actions.flush.push_back(session.id);
}

void Gateway::Impl::abort(Session& session) {
    if (session.abort_listed) return;
    session.abort_listed = true;
    actions.abort.push_back(session.id);
}

void Gateway::Impl::send_last(Session& session, std::string bytes) {
    if (session.handshaking && session.handshaking->head_only) bytes.resize(bytes.find("\r\n\r\n") + 4);
    session.queue.push_last(framed(std::move(bytes)));
    session.last_bytes = true;
    list_flush(session);
}

void Gateway::Impl::close(Session& session, uint16_t code, std::string_view reason, std::string_view because,
                          int64_t reconnect_ms, Now now) {
    if (session.state != Session::State::open && session.state != Session::State::ending) return;
    session.state = Session::State::closing;
    note_ending(session, reason, because);
    if (session.ending->code == 0) session.ending->code = code;
    session.close_by_ms = now.steady_ms + runtime_->settings.close_timeout_ms;
    leave_channels(session, now);
    // What did not fit is dropped, so that the last words do.
    if (session.queue.bytes() > bounds_of(session).bytes / 2) session.queue.drop_unsent();
    std::string last;
    if (session.stream) {
        session.queue.push_last(
            last_event(code, bye_text(code, reason, because, reconnect_ms), reconnect_ms));
        session.last_bytes = true;
        list_flush(session);
        return reschedule(session, now);
    }
    if (session.binding->route->dialect == dsl::Dialect::native) {
        last = encode_frame(Opcode::text, bye_text(code, reason, because, reconnect_ms));
    }
    last += close_frame(code, because.empty() ? reason : because);
    session.queue.push_last(framed(std::move(last)));
    list_flush(session);
    reschedule(session, now);
}

// --- the end of a session ---

// What is over with an event is done here, where nobody is in the middle of a list.
void Gateway::Impl::finish_event(Now now) {
    catch_up(now);
    end_marked(now);
}

void Gateway::Impl::end(Session& session, Rejection rejection, Now now) {
    if (session.state != Session::State::open) return;
    session.state = Session::State::ending;
    refused(session.binding->runtime->policy.get(), session.binding->route, rejection);
    if (auto banned = count_refusal(session, rejection.reason, now)) {
        rejection = std::move(*banned);
        refused(session.binding->runtime->policy.get(), session.binding->route, rejection);
    }
    note_ending(session, rejection);
    ending_.push_back({session.id, std::move(rejection)});
}

void Gateway::Impl::end_marked(Now now) {
    for (const PendingEnd& pending : std::exchange(ending_, {})) {
        Session* session = find(pending.id);
        if (session && session->state == Session::State::ending) close_for(*session, pending.rejection, now);
    }
}

void Gateway::Impl::close_for(Session& session, const Rejection& rejection, Now now) {
    const dsl::Outcome outcome = outcome_of(session.binding->route, rejection, dsl::Phase::session);
    if (outcome.kind == dsl::OutcomeKind::drop) return abort(session);
    const uint16_t code =
        outcome.kind == dsl::OutcomeKind::close ? outcome.code : default_close(rejection.reason);
    const std::string_view name = outcome.kind == dsl::OutcomeKind::error && !outcome.name.empty()
                                      ? std::string_view(outcome.name)
                                      : to_string(rejection.reason);
    const int64_t after_ms =
        std::max(static_cast<int64_t>(500 + numbers_() % 1500), rejection.retry_after_ms);
    close(session, code, name, rejection.because, is_final(code) ? -1 : after_ms, now);
}

// --- the outer shell ---

Gateway::Gateway(uint32_t worker, Broker& broker, LimitTable& limits, BanTable& bans, Counters& counters,
                 std::shared_ptr<const Runtime> runtime)
    : impl_(std::make_unique<Impl>(worker, broker, limits, bans, counters, std::move(runtime))) {}

Gateway::~Gateway() = default;

ConnectionId Gateway::opened(const Peer& peer, Now now) {
    return impl_->opened(peer, now);
}
void Gateway::secured(ConnectionId id, uint16_t version, std::shared_ptr<const std::string> certificate) {
    impl_->secured(id, version, std::move(certificate));
}
void Gateway::received(ConnectionId id, std::span<char> bytes, Now now) {
    impl_->received(id, bytes, now);
    impl_->finish_event(now);
}
void Gateway::closed(ConnectionId id, Now now) {
    impl_->closed(id, now);
    impl_->finish_event(now);
}
void Gateway::answered(ConnectionId id, uint64_t question, Proof proof, Now now) {
    impl_->answered(id, question, std::move(proof), now);
    impl_->finish_event(now);
}
size_t Gateway::delivered(std::span<const Publication> publications, Allowance& allowance, Now now) {
    const size_t done = impl_->delivered(publications, allowance, now);
    impl_->finish_event(now);
    return done;
}
size_t Gateway::stalled() const {
    return impl_->stalled;
}
bool Gateway::hold(ConnectionId id) {
    return impl_->hold(id);
}
void Gateway::go_on(ConnectionId id, Now now) {
    impl_->go_on(id, now);
    impl_->finish_event(now);
}
int64_t Gateway::release_at_ms() const {
    return impl_->release_at_ms();
}
void Gateway::release(Now now) {
    impl_->release(now);
    impl_->finish_event(now);
}
void Gateway::answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    impl_->answered(ticket, std::move(answer), now);
    impl_->finish_event(now);
}
void Gateway::handle_relayed(const RelayedMessage& relayed, Now now) {
    impl_->handle_relayed(relayed, now);
    impl_->finish_event(now);
}
void Gateway::relay_reply(const RelayReply& answer, Now now) {
    impl_->relay_reply(answer, now);
    impl_->finish_event(now);
}
uint32_t Gateway::worker_of(uint64_t session) {
    return static_cast<uint32_t>(session & worker_mask);
}
void Gateway::evict(const SlotHolder& occupant, Now now) {
    impl_->evict(occupant, now);
    impl_->finish_event(now);
}
void Gateway::replace(std::shared_ptr<const Runtime> runtime, Now) {
    impl_->replace(std::move(runtime));
}
bool Gateway::walk(size_t& next, const std::function<void(const Seen&)>& see, Now now) {
    return impl_->walk(next, see, now);
}
bool Gateway::survey(const Runtime& candidate, ReloadImpact& survey, Now now) {
    return impl_->survey(candidate, survey, now);
}
void Gateway::shed(Now now) {
    impl_->shed(now);
    impl_->finish_event(now);
}
void Gateway::tick(Now now) {
    impl_->tick(now);
    impl_->finish_event(now);
}
void Gateway::drain(bool at_once, Now now) {
    impl_->drain(at_once, now);
    impl_->finish_event(now);
}

Actions& Gateway::actions() {
    return impl_->actions;
}

SendQueue* Gateway::output(ConnectionId id) {
    Session* session = impl_->find(id);
    if (!session) return nullptr;
    session->flush_listed = false;
    return &session->queue;
}

void Gateway::sent(ConnectionId id, size_t bytes, Now now) {
    impl_->sent(id, bytes, now);
    impl_->finish_event(now);
}

void Gateway::blocked(ConnectionId id, Now now) {
    impl_->blocked(id, now);
    impl_->finish_event(now);
}

bool Gateway::closing(ConnectionId id) const {
    const Session* session = impl_->find(id);
    return session && session->last_bytes;
}

size_t Gateway::sockets() const {
    return impl_->sockets;
}
bool Gateway::drained() const {
    return impl_->draining && impl_->sockets == 0;
}

}  // namespace wayleave
