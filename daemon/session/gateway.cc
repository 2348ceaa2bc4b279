#include "daemon/session/gateway.h"

#include <openssl/rand.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "daemon/session/authentication.h"
#include "daemon/session/channel_queries.h"
#include "daemon/session/client_messages.h"
#include "daemon/session/delivery.h"
#include "daemon/session/http_front.h"

namespace wayleave {
namespace {

constexpr int64_t tick_ms = 100;
constexpr size_t walked_at_once = 250;

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

}  // namespace

// Wires the objects of a worker, each of which knows those above it, and hands each event to one of them.
class Gateway::Impl {
  public:
    Impl(uint32_t worker, Broker& broker, LimitTable& limits, BanTable& bans, Counters& counters,
         std::shared_ptr<const Runtime> runtime);

    [[nodiscard]] ConnectionId opened(const Peer& peer, Now now);
    void received(Session& session, std::span<char> bytes, Now now);
    void closed(Session& session, Now now);
    void finish_event(Now now);
    void tick(Now now);
    void drain(bool at_once, Now now);
    void sent(Session& session, size_t bytes, Now now);
    void shed(Now now);
    void broker_answered(uint64_t ticket, BrokerAnswer answer, Now now);
    void credential_answered(Session& session, uint64_t question, Proof proof, Now now);
    void relay_replied(Session& session, const RelayReply& answer, Now now);
    void evict(const SlotHolder& occupant, Now now);

  private:
    void wake(Session& session, Now now);
    void wake_open(Session& session, Now now);
    void drain_some(Now now);
    void set_gauges();

    uint32_t worker_;
    Broker& broker_;
    LimitTable& limits_;
    BanTable& bans_;
    Counters& counters_;
    std::mt19937_64 random_{random_seed()};
    size_t next_drain_ = 0;
    size_t drain_step_ = 0;

  public:
    Actions actions;
    bool draining = false;

    SessionTable sessions;
    Bindings bindings;
    Hub hub;
    Deadlines deadlines{sessions, bindings};
    ConnectionLog log{counters_, actions.events, bindings};
    BanCounter ban_counter{bans_, log};
    ShadowComparison shadow{bindings, counters_, log};
    Compressors compressors;
    WebSocketFraming web_socket{counters_, compressors};
    EventStreamFraming event_stream{counters_, hub};
    Outbox outbox{actions, counters_, bindings, log, ban_counter, web_socket, event_stream};
    PostRelay relay{actions.replies};
    Replies replies{outbox, relay, log, ban_counter};
    BrokerRequests requests{worker_, bindings};
    Subscriptions subscriptions{hub, broker_, limits_, bindings};
    DeliveryNotes notes{hub, broker_, subscriptions};
    Replayer replayer{sessions, hub, broker_, subscriptions, requests, notes, outbox, replies, counters_};
    Delivery delivery{hub, subscriptions, bindings, replayer, notes, outbox, counters_};
    Closing closing{sessions, bindings, subscriptions, outbox, log, deadlines, random_};
    Reload reload{sessions, bindings, hub,       subscriptions, replayer, outbox,
                  closing,  log,      deadlines, counters_,     random_};
    CredentialQuestions questions{actions.questions, bindings};
    Authentication authentication{bindings, questions, relay, reload, outbox, replies, counters_};
    Publisher publisher{epoch_text(random_()), broker_, requests, replies, counters_};
    ChannelQueries queries{hub, broker_, subscriptions, requests, shadow, outbox, replies};
    NativeDialect native{limits_,        hub,    subscriptions, replayer, event_stream, publisher, queries,
                         authentication, shadow, relay,         closing,  log,          outbox,    replies};
    ClientMessages messages{sessions, bindings, reload, native, limits_, web_socket,
                            relay,    closing,  log,    outbox, replies, counters_};
    FrameReader frames{compressors, messages, closing, deadlines, ban_counter, log, outbox, counters_};
    HttpAdmission admission{bindings, limits_, bans_, questions, ban_counter, shadow, log, outbox, counters_};
    PostFront posts{worker_, bindings, admission, deadlines, actions.relayed, outbox, counters_};
    Opening opening{worker_, bindings,    broker_,   hub, subscriptions, replayer,  native, relay,
                    shadow,  compressors, deadlines, log, outbox,        counters_, random_};
    HttpFront http{bindings, limits_, admission, posts, opening, frames, deadlines, log, outbox, counters_};
};

Gateway::Impl::Impl(uint32_t worker, Broker& broker, LimitTable& limits, BanTable& bans, Counters& counters,
                    std::shared_ptr<const Runtime> runtime)
    : worker_(worker),
      broker_(broker),
      limits_(limits),
      bans_(bans),
      counters_(counters),
      bindings(std::move(runtime)),
      hub(worker, broker) {}

// --- connections ---

ConnectionId Gateway::Impl::opened(const Peer& peer, Now now) {
    Session& session = sessions.open();
    session.peer = peer;
    session.number = session_number(worker_);
    session.opened_ms = session.last_heard_ms = now.steady_ms;
    set_gauges();
    deadlines.reschedule(session, now);
    return session.id;
}

void Gateway::Impl::received(Session& session, std::span<char> bytes, Now now) {
    if (session.last_bytes || session.abort_listed) return;
    counters_.bytes_in.add(bytes.size());
    if (session.state == Session::State::head) return http.read(session, {bytes.data(), bytes.size()}, now);
    session.bytes_in += bytes.size();
    frames.read(session, bytes, now);
}

void Gateway::Impl::closed(Session& session, Now now) {
    subscriptions.leave_all(session, now);
    outbox.forget(session);
    if (session.stream) counters_.streams.set(counters_.streams.get() - 1);
    relay.forget(session.number);
    for (const std::string& key : session.entered) limits_.leave(key);
    for (const std::string& key : session.connection_slots)
        broker_.leave_seat(key, {worker_, pack(session.id), session.number});
    if (session.binding) {
        counters_.connections.set(counters_.connections.get() - 1);
        log.tell_closed(session, now);
    }
    sessions.close(session.id);
    set_gauges();
}

void Gateway::Impl::evict(const SlotHolder& occupant, Now now) {
    Session* session = sessions.find(unpack(occupant.place));
    if (!session || session->number != occupant.session || session->state != Session::State::open) return;
    outbox.end(*session,
               Rejection::of(Reason::replaced, "a newer connection has taken the place of this one"), now);
}

// What is over with an event is done here, where nobody is in the middle of a list.
void Gateway::Impl::finish_event(Now now) {
    replayer.catch_up(now);
    closing.end_marked(now);
}

void Gateway::Impl::sent(Session& session, size_t bytes, Now now) {
    if (!outbox.sent(session, bytes, now)) return;
    if (session.owed) notes.note_delivered(session, now);
    if (!session.replays.empty()) replayer.replay_some(session, now);
}

void Gateway::Impl::shed(Now now) {
    bindings.forget();
    log.forget();
    std::vector<Session*> all;
    size_t next = 0;
    (void)sessions.visit(next, SIZE_MAX, [&](Session& session) {
        all.push_back(&session);
        return true;
    });
    outbox.shed(std::move(all), now);
    delivery.conflator().release_all(now);  // last: who is offered it now has not been slow yet
}

// --- answers ---

void Gateway::Impl::broker_answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    const auto request = requests.take(ticket);
    if (!request) return;
    Session* session = sessions.find(request->id);
    if (!session || session->state != Session::State::open) return;
    switch (request->kind) {
        case BrokerRequest::Kind::publish:
            --session->unanswered;
            return publisher.published(*session, *request->publishing, std::get<Receipt>(std::move(answer)),
                                       now);
        case BrokerRequest::Kind::replay:
            return replayer.take_page(*session, request->channel, ticket, std::get<Page>(answer), now);
        case BrokerRequest::Kind::history:
            return queries.answer_history(*session, request->re, std::get<Page>(answer), now);
        case BrokerRequest::Kind::acknowledge:
            return queries.answer_acknowledge(*session, request->re, std::get<Receipt>(answer), now);
        case BrokerRequest::Kind::presence:
            return queries.answer_presence(*session, request->re, std::get<Roster>(answer), now);
    }
}

void Gateway::Impl::credential_answered(Session& session, uint64_t question, Proof proof, Now now) {
    if (!questions.note_answer(session, question, std::move(proof))) return;
    if (session.state == Session::State::open) return authentication.go_on(session, now);
    if (session.state != Session::State::head) return;
    session.handshaking->scanned = 0;
    http.read(session, {}, now);
}

void Gateway::Impl::relay_replied(Session& session, const RelayReply& answer, Now now) {
    if (posts.reply(session, answer, now)) http.read(session, {}, now);
}

// --- time ---

void Gateway::Impl::tick(Now now) {
    deadlines.advance(now, [&](Session& session) {
        wake(session, now);
        closing.end_marked(now);
    });
    reload.tick(now);
    if (draining) drain_some(now);
    // A broker that is stuck: who asked is told so.
    while (auto overdue = requests.next_overdue(now)) {
        counters_.unanswered.add();
        broker_answered(overdue->first, std::move(overdue->second), now);
    }
    replayer.tick(now);
    log.tick(now);
    if (worker_ == 0) {
        limits_.forget_idle(now.steady_ms);
        bans_.forget_quiet(now.steady_ms);
        broker_.tick(now);
    }
    set_gauges();
}

void Gateway::Impl::wake(Session& session, Now now) {
    session.wake_ms = Session::never_ms;
    if (session.abort_listed) return;
    if (session.held) Deadlines::excuse(session, now);
    if (session.close_by_ms <= now.steady_ms) return outbox.abort(session);
    if (session.state == Session::State::open) {
        wake_open(session, now);
    } else if (session.state == Session::State::head &&
               session.opened_ms + bindings.settings().handshake_timeout_ms <= now.steady_ms) {
        http.expire(session, now);
    }
    if (!session.abort_listed) deadlines.reschedule(session, now);
}

void Gateway::Impl::wake_open(Session& session, Now now) {
    const dsl::Route& route = *session.binding->route;
    if (session.pending_close && session.pending_close->at_ms <= now.steady_ms)
        return reload.close_pending(session, now);
    if (session.expires_ms > 0 && session.expires_ms <= now.wall_ms) {
        return outbox.end(session, Rejection::of(Reason::expired, "the token has expired"), now);
    }
    if (route.max_lifetime_ms > 0 && session.opened_ms + route.max_lifetime_ms <= now.steady_ms) {
        const auto spread = static_cast<int64_t>(500 + random_() % 1500);
        return closing.close(
            session, {1001, "max_lifetime", "the connection has reached its greatest age", spread}, now);
    }
    if (const char* silent = deadlines.why_silent(session, now))
        return outbox.end(session, Rejection::of(Reason::idle, silent), now);
    const int64_t quiet_since = std::max(session.last_heard_ms, session.last_ping_ms);
    if (route.ping_every_ms > 0 && quiet_since + route.ping_every_ms <= now.steady_ms) {
        session.last_ping_ms = now.steady_ms;
        outbox.heartbeat(session, now);
    }
}

void Gateway::Impl::drain(bool at_once, Now now) {
    if (draining) return;
    draining = true;
    http.stop();
    const auto ticks = static_cast<size_t>(std::max<int64_t>(1, bindings.settings().drain_ms / tick_ms));
    drain_step_ = at_once ? sessions.count() : sessions.count() / ticks + 1;
    drain_some(now);
}

void Gateway::Impl::drain_some(Now now) {
    (void)sessions.visit(next_drain_, drain_step_, [&](Session& session) {
        if (session.state == Session::State::closing) return false;
        if (session.state == Session::State::head) {
            outbox.send_last(
                session,
                problem_response(503, "unavailable",
                                 Rejection::of(Reason::unavailable, "the server is stopping"), false, ""));
        } else {
            const auto spread = static_cast<uint64_t>(std::max<int64_t>(1000, bindings.settings().drain_ms));
            closing.close(session,
                          {1001, "drain", "the server is stopping", static_cast<int64_t>(random_() % spread)},
                          now);
        }
        return true;
    });
}

void Gateway::Impl::set_gauges() {
    counters_.sockets.set(sessions.count());
    counters_.channels.set(hub.channels());
    counters_.gathered_bytes.set(hub.gathered_bytes());
    counters_.subscriptions.set(hub.subscriptions());
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
    Session* session = impl_->sessions.find(id);
    if (!session) return;
    session->peer.tls_version = version;
    session->peer.certificate = std::move(certificate);
}
void Gateway::received(ConnectionId id, std::span<char> bytes, Now now) {
    if (Session* session = impl_->sessions.find(id)) impl_->received(*session, bytes, now);
    impl_->finish_event(now);
}
void Gateway::closed(ConnectionId id, Now now) {
    if (Session* session = impl_->sessions.find(id)) impl_->closed(*session, now);
    impl_->finish_event(now);
}
void Gateway::answered(ConnectionId id, uint64_t question, Proof proof, Now now) {
    if (Session* session = impl_->sessions.find(id))
        impl_->credential_answered(*session, question, std::move(proof), now);
    impl_->finish_event(now);
}
size_t Gateway::delivered(std::span<const Publication> publications, Allowance& allowance, Now now) {
    const size_t done = impl_->delivery.deliver(publications, allowance, now);
    impl_->finish_event(now);
    return done;
}
size_t Gateway::stalled() const {
    return impl_->outbox.stalled();
}
bool Gateway::hold(ConnectionId id) {
    Session* session = impl_->sessions.find(id);
    if (!session || !session->publishes || session->state == Session::State::closing) return false;
    session->held = true;
    return true;
}
void Gateway::go_on(ConnectionId id, Now now) {
    Session* session = impl_->sessions.find(id);
    if (session && session->held) {
        Deadlines::excuse(*session, now);
        session->held = false;
    }
    impl_->finish_event(now);
}
int64_t Gateway::release_at_ms() const {
    return impl_->delivery.conflator().release_at_ms();
}
void Gateway::release(Now now) {
    impl_->delivery.conflator().release(now);
    impl_->finish_event(now);
}
void Gateway::answered(uint64_t ticket, BrokerAnswer answer, Now now) {
    impl_->broker_answered(ticket, std::move(answer), now);
    impl_->finish_event(now);
}
void Gateway::handle_relayed(const RelayedMessage& relayed, Now now) {
    impl_->messages.handle_relayed(relayed, now);
    impl_->finish_event(now);
}
void Gateway::relay_reply(const RelayReply& answer, Now now) {
    if (Session* session = impl_->sessions.find(answer.to)) impl_->relay_replied(*session, answer, now);
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
    impl_->reload.replace(std::move(runtime));
}
bool Gateway::walk(size_t& next, const std::function<void(const Seen&)>& see, Now now) {
    return impl_->sessions.visit(next, walked_at_once, [&](const Session& session) {
        if (session.state != Session::State::open) return false;
        Seen seen{*session.binding->runtime,
                  *session.binding->route,
                  session.facts,
                  session.binding->residual,
                  session.number,
                  now.steady_ms - session.opened_ms,
                  {}};
        for (const Subscription& subscription : session.subscriptions)
            seen.channels.emplace_back(subscription.channel->name);
        seen.user = session.shown_user();
        see(seen);
        return true;
    });
}
bool Gateway::survey(const Runtime& candidate, ReloadImpact& survey, Now now) {
    return impl_->reload.survey(candidate, survey, now);
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
    Session* session = impl_->sessions.find(id);
    if (!session) return nullptr;
    session->flush_listed = false;
    return &session->queue;
}

void Gateway::sent(ConnectionId id, size_t bytes, Now now) {
    if (Session* session = impl_->sessions.find(id)) impl_->sent(*session, bytes, now);
    impl_->finish_event(now);
}

void Gateway::blocked(ConnectionId id, Now now) {
    if (Session* session = impl_->sessions.find(id)) impl_->outbox.blocked(*session, now);
    impl_->finish_event(now);
}

bool Gateway::closing(ConnectionId id) const {
    const Session* session = impl_->sessions.find(id);
    return session && session->last_bytes;
}

size_t Gateway::sockets() const {
    return impl_->sessions.count();
}
bool Gateway::drained() const {
    return impl_->draining && impl_->sessions.count() == 0;
}

}  // namespace wayleave
