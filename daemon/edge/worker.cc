#include "daemon/edge/worker.h"

#include <pthread.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/decision/used_tokens.h"
#include "daemon/edge/listener.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/mailbox.h"
#include "daemon/edge/proxy_header_reader.h"
#include "daemon/edge/upstreams.h"
#include "daemon/message/commons.h"

namespace wayleave {

namespace {

constexpr int64_t tick_ms = 100;
// One turn looks into the mailbox so often before it looks at the sockets again: publications of our own
// clients meanwhile are delivered in the same turn, but nobody can keep the loop from its sockets.
constexpr int rounds_per_turn = 8;
// How long nothing is delivered when many readers did not take what a turn had for them, unless half of them
// has taken it before. Those who read get the time to do so; those who do not gain little by it.
constexpr int64_t breather_ms = 200;

}  // namespace

class Worker::Impl {
  public:
    Impl(const Parts& parts, const WorkerSettings& settings, std::shared_ptr<const Runtime> runtime)
        : runtime_(runtime),
          quota_(parts.quota),
          report_(parts.report),
          canary_(parts.canary),
          commons_(parts.broker.commons()),
          exchange_(parts.exchange),
          settings_(settings),
          mailbox_(loop_, parts.exchange),
          number_(parts.broker.add_worker(mailbox_)),
          gateway_(number_,
                   {parts.broker, parts.presence, parts.slots, parts.limits, parts.bans, &parts.notices,
                    settings.workers},
                   counters_, std::move(runtime)) {
        parts.broker.subscribe(number_, canary_.channel());
        exchange_.add(number_, mailbox_);
    }
    ~Impl() {
        stop();
        join();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Status open(std::vector<WorkerListener> listeners);
    void start() {
        thread_ = std::thread([this] { run(); });
    }
    void stop() { mailbox_.post({.kind = Command::Kind::stop}); }
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    void post(Command command) { mailbox_.post(std::move(command)); }

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] bool drained() const { return drained_.load(std::memory_order_acquire); }

  private:
    void run();
    void begin_turn();
    void end_turn();
    void tick();
    void obey(Command& command);
    void ask();
    void call_backends();
    void pass_on_relayed();
    void pass_on_orders();
    [[nodiscard]] bool collect();
    void deliver(Allowance& allowance);
    void work_off();
    void keep_pace();
    [[nodiscard]] bool out_of_breath();
    void hear_canary(std::span<const Publication> publications);

    [[nodiscard]] Listener::Accepted through_proxy_header(Listener::Accepted adopt);
    void refuse_proxy(const Peer& peer, std::string_view reason);
    void refuse_many(const FileDescriptor& socket, bool tls, const Peer& peer);
    void close_proxy_headers();

    std::shared_ptr<const Runtime> runtime_;
    ConnectionQuota& quota_;
    const EdgeReport& report_;
    Canary& canary_;
    Commons* const commons_;  // null: there are no other nodes
    Exchange& exchange_;
    const WorkerSettings settings_;
    Now now_ = read_clocks();  // of this turn
    Counters counters_;
    std::atomic<bool> drained_{false};

    // In the order of birth; each uses those above it.
    Loop loop_;
    Mailbox mailbox_;
    const uint32_t number_;  // the broker's
    Gateway gateway_;
    std::unique_ptr<Transports> transports_;
    std::unique_ptr<Upstreams> upstreams_;
    Reserve reserve_;
    std::vector<std::unique_ptr<ProxyHeaderReader>> proxy_headers_;  // one for each side that has one
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::optional<Turn> turn_;
    std::optional<Timer> ticker_;
    std::optional<Timer> releaser_;
    int64_t release_at_ms_ = INT64_MAX;  // that it is set to
    std::vector<Publication> publications_;
    size_t next_ = 0;           // of them: those before it are delivered
    int64_t came_us_ = 0;       // the first of them
    int64_t delivered_us_ = 0;  // they are delivered, and were as old as that; 0: none are
    int64_t turn_us_ = 0;       // this one has begun
    int64_t breathes_until_ms_ = 0;
    size_t stalled_then_ = 0;
    std::vector<Command> commands_;
    std::thread thread_;
};

Status Worker::Impl::open(std::vector<WorkerListener> listeners) {
    std::vector<Transports::Side> tls;
    for (WorkerListener& listener : listeners) {
        if (listener.tls) tls.push_back(std::move(listener.side));
    }
    auto transports =
        Transports::create({loop_, gateway_, counters_, quota_, now_, report_, exchange_.pressure()},
                           std::move(tls), settings_.tls_timeout_ms);
    if (!transports) return failure(transports.error());
    transports_ = std::move(*transports);
    upstreams_ = std::make_unique<Upstreams>(Upstreams::Parts{loop_, gateway_, quota_, now_});

    size_t next_tls = 0;
    for (WorkerListener& listener : listeners) {
        const size_t side = listener.tls ? next_tls++ : Transports::plain;
        // Here, behind the header of a proxy, which says nothing of whom the listener serves.
        const auto adopt = [this, side, clients = listener.serves_clients, api = listener.serves_api](
                               FileDescriptor socket, Peer peer) {
            peer.serves_clients = clients;
            peer.serves_api = api;
            // A proxy that we trust stands for many.
            if (!quota_.take_place(peer.ip,
                                   !runtime_->settings.proxies.trusts_peer(peer.ip, peer.unix_socket)))
                return refuse_many(socket, side != Transports::plain, peer);
            transports_->adopt(std::move(socket), side, peer);
        };
        Listener::Accepted accepted = adopt;
        if (listener.proxy_protocol) accepted = through_proxy_header(adopt);
        for (FileDescriptor& socket : listener.sockets) {
            listeners_.push_back(std::make_unique<Listener>(
                Listener::Parts{loop_, quota_, counters_, reserve_, now_, report_}, std::move(socket),
                listener.tls, settings_.accept_per_turn, accepted));
        }
    }
    turn_.emplace(
        loop_, [this] { begin_turn(); }, [this] { end_turn(); });
    ticker_.emplace(loop_, [this] { tick(); });
    ticker_->every(tick_ms);
    releaser_.emplace(loop_, [this] {
        release_at_ms_ = INT64_MAX;
        gateway_.release(now_);
    });
    return success();
}

// A proxy of ours says who is behind it; anybody else who comes to this listener is nobody's client.
Listener::Accepted Worker::Impl::through_proxy_header(Listener::Accepted adopt) {
    ProxyHeaderReader& room = *proxy_headers_.emplace_back(std::make_unique<ProxyHeaderReader>(
        loop_, settings_.tls_timeout_ms, std::move(adopt),
        [this](const Peer& peer, std::string_view reason) { refuse_proxy(peer, reason); }));
    return [this, &room](FileDescriptor socket, const Peer& peer) {
        if (runtime_->settings.proxies.trusts_peer(peer.ip, peer.unix_socket))
            return room.enter(std::move(socket), peer, now_.steady_ms);
        refuse_proxy(peer, "it is not in trusted_proxies");
    };
}

void Worker::Impl::refuse_proxy(const Peer& peer, std::string_view reason) {
    quota_.leave();
    counters_.proxy_refused.add();
    Event event{"proxy-refused",
                "a connection to a listener with proxy_protocol is refused: " + std::string(reason),
                Severity::warning};
    event.of_client = true;
    report_(event.with("ip", peer.ip.text()));
}

void Worker::Impl::refuse_many(const FileDescriptor& socket, bool tls, const Peer& peer) {
    quota_.leave();
    counters_.accept_refused.add();
    refuse_socket(socket, tls);
    if (quota_.may_report(now_.steady_ms))
        report_({"connections-of-source", quota_.refusal(peer.ip), Severity::warning});
}

void Worker::Impl::close_proxy_headers() {
    for (const auto& room : proxy_headers_) {
        for (size_t i = 0; i < room->waiting(); ++i) quota_.leave();
    }
    proxy_headers_.clear();
}

void Worker::Impl::run() {
    pthread_setname_np(pthread_self(), "wayleave-worker");
    mailbox_.owned_by_this_thread();
    LwsCarriers::report_on_this_thread(report_);
    loop_.run();
    // In this order, while the gateway lives: closing the sockets tells it.
    listeners_.clear();
    close_proxy_headers();
    transports_.reset();
    upstreams_.reset();
}

void Worker::Impl::begin_turn() {
    now_ = read_clocks();
    turn_us_ = steady_us();
    counters_.loop_turns.add();
}

// Everything that happened in this turn is answered here, so that the frames of one turn join into one write.
void Worker::Impl::end_turn() {
    Allowance allowance;
    for (int round = 0; round < rounds_per_turn && !allowance.used_up() && collect(); ++round) {
        for (Command& command : commands_) obey(command);
        commands_.clear();
        if (!out_of_breath()) deliver(allowance);
        work_off();
        if (const int64_t came_us = std::exchange(delivered_us_, 0); came_us != 0)
            counters_.delivery_time.add(steady_us() - came_us);
        // For what may have come since: do not sleep on it.
        if (round + 1 == rounds_per_turn || allowance.used_up()) mailbox_.wake();
        if (out_of_breath()) break;
    }
    work_off();
    if (allowance.outruns()) {
        breathes_until_ms_ = now_.steady_ms + breather_ms;
        stalled_then_ = gateway_.stalled();
    }
    keep_pace();
    if (const int64_t at_ms = gateway_.release_at_ms(); at_ms != release_at_ms_) {
        release_at_ms_ = at_ms;
        if (at_ms != INT64_MAX) releaser_->after(std::max<int64_t>(0, at_ms - now_.steady_ms));
    }
    if (turn_us_ != 0) counters_.turn_time.add(steady_us() - turn_us_);  // the first has no beginning
    if (gateway_.drained() && transports_->sockets() == 0) drained_.store(true, std::memory_order_release);
}

// What there is to do now; false: nothing. Publications wait for those before them, commands for nobody.
bool Worker::Impl::collect() {
    const bool came = mailbox_.take(publications_, commands_, came_us_);
    return came || next_ < publications_.size();
}

void Worker::Impl::deliver(Allowance& allowance) {
    const auto waiting = std::span<const Publication>(publications_).subspan(next_);
    const auto done = waiting.first(gateway_.delivered(waiting, allowance, now_));
    hear_canary(done);
    mailbox_.delivered(done);
    next_ += done.size();
    if (next_ < publications_.size()) return;
    if (!publications_.empty()) delivered_us_ = came_us_;
    publications_.clear();
    next_ = 0;
}

void Worker::Impl::work_off() {
    // Each may give the other something to do.
    do transports_->work_off();
    while (upstreams_->work_off());
    ask();
    call_backends();
    pass_on_relayed();
    pass_on_orders();
}

bool Worker::Impl::out_of_breath() {
    if (now_.steady_ms >= breathes_until_ms_) return false;
    if (gateway_.stalled() * 2 <= stalled_then_) breathes_until_ms_ = 0;
    return breathes_until_ms_ != 0;
}

// Whoever publishes waits while this worker does not keep up. The loop goes on where there is more to do.
void Worker::Impl::keep_pace() {
    const bool behind = !publications_.empty();
    mailbox_.set_behind(behind);
    // While it takes breath, sockets and the tick wake it.
    if (transports_->read_again() || (behind && !out_of_breath())) mailbox_.wake();
    const Mailbox::Held held = mailbox_.held();
    counters_.mailbox_messages.set(held.messages);
    counters_.mailbox_bytes.set(held.bytes);
}

// Behind the deliveries: a worker that notes it has delivered all that came before it.
void Worker::Impl::hear_canary(std::span<const Publication> publications) {
    for (const Publication& publication : publications) {
        if (publication->channel == canary_.channel() && !publication->stands)
            canary_.heard(number_, publication->position, steady_us());
    }
}

// The answers come through the mailbox, whoever gives them.
void Worker::Impl::ask() {
    std::vector<CredentialQuestion> questions;
    questions.swap(gateway_.actions().questions);
    for (const CredentialQuestion& question : questions) {
        const auto answer = [this, id = question.id, number = question.number,
                             runtime = question.runtime](Proof proof) {
            mailbox_.post({.kind = Command::Kind::task,
                           .work = [id, number, proof = std::move(proof)](Gateway& gateway, Now now) {
                               gateway.answered(id, number, proof, now);
                               return true;
                           }});
        };
        if (const auto& use = question.credential.use) {
            question.runtime->used_tokens->use_everywhere(*use, now_.wall_ms, answer);
            continue;
        }
        if (const auto& place = question.credential.place) {
            commons_->enter_place(*place, [answer](std::shared_ptr<const HeldPlace> held) {
                answer(held ? Proof::granted(std::move(held)) : Proof::refused("all places are taken"));
            });
            continue;
        }
        question.runtime->verifier->ask(question.credential, question.asking, now_, answer);
    }
}

// Of the user's own servers.
void Worker::Impl::call_backends() {
    for (BackendCall& call : std::exchange(gateway_.actions().calls, {})) {
        const auto answered = [this, number = call.number](const BackendAnswer& answer, Now) {
            mailbox_.post({.kind = Command::Kind::task, .work = [number, answer](Gateway& gateway, Now now) {
                               gateway.backend_answered(number, answer, now);
                               return true;
                           }});
        };
        call.runtime->backend_service->send(std::move(call.request), answered);
    }
}

// Also what is for ourselves: there is one way only.
void Worker::Impl::pass_on_relayed() {
    std::vector<RelayedMessage> relayed;
    std::vector<RelayReply> replies;
    relayed.swap(gateway_.actions().relayed);
    replies.swap(gateway_.actions().replies);
    for (RelayedMessage& message : relayed) {
        const uint32_t worker = Gateway::worker_of(message.session);
        const auto run = [message](Gateway& gateway, Now now) {
            gateway.handle_relayed(message, now);
            return true;
        };
        // Whoever made up the number is told so by any worker.
        if (!exchange_.post(worker, {.kind = Command::Kind::task, .work = run}))
            mailbox_.post({.kind = Command::Kind::task, .work = run});
    }
    for (RelayReply& answer : replies) {
        (void)exchange_.post(answer.worker,
                             {.kind = Command::Kind::task, .work = [answer](Gateway& gateway, Now now) {
                                  gateway.relay_reply(answer, now);
                                  return true;
                              }});
    }
}

// To the next worker that is to carry it out; behind the last one, back to the one that was asked.
void Worker::Impl::pass_on_orders() {
    for (ApiOrder& order : std::exchange(gateway_.actions().orders, {})) {
        const auto carry_out = [order](Gateway& gateway, Now now) {
            gateway.carry_out(order, now);
            return true;
        };
        if (!order.done && exchange_.post(order.next, {.kind = Command::Kind::task, .work = carry_out}))
            continue;
        (void)exchange_.post(order.worker,
                             {.kind = Command::Kind::task, .work = [order](Gateway& gateway, Now now) {
                                  gateway.order_done(order, now);
                                  return true;
                              }});
    }
}

void Worker::Impl::obey(Command& command) {
    switch (command.kind) {
        case Command::Kind::replace:
            runtime_ = command.runtime;
            return gateway_.replace(std::move(command.runtime), now_);
        case Command::Kind::drain:
            listeners_.clear();
            close_proxy_headers();
            return gateway_.drain(command.drain, now_);
        case Command::Kind::certificates:
            return transports_->replace(command.side, std::move(command.certificates));
        case Command::Kind::answer: return gateway_.answered(command.ticket, std::move(command.answer), now_);
        case Command::Kind::evict: return gateway_.evict(command.occupant, now_);
        case Command::Kind::stop: return loop_.stop();
        case Command::Kind::task:
            if (!command.work(gateway_, now_)) mailbox_.post(std::move(command));
            return;
    }
}

void Worker::Impl::tick() {
    gateway_.tick(now_);
    transports_->tick();
    for (const auto& room : proxy_headers_) room->tick(now_.steady_ms);
}

Result<std::unique_ptr<Worker>> Worker::create(const Parts& parts, const WorkerSettings& settings,
                                               std::vector<WorkerListener> listeners,
                                               std::shared_ptr<const Runtime> runtime) {
    auto impl = std::make_unique<Impl>(parts, settings, std::move(runtime));
    if (auto opened = impl->open(std::move(listeners)); !opened) return failure(opened.error());
    return std::unique_ptr<Worker>(new Worker(std::move(impl)));
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Worker::~Worker() = default;

void Worker::start() {
    impl_->start();
}
void Worker::replace(std::shared_ptr<const Runtime> runtime, TlsSides tls) {
    for (size_t i = 0; i < tls.size(); ++i) {
        impl_->post({.kind = Command::Kind::certificates, .side = i, .certificates = std::move(tls[i])});
    }
    impl_->post({.kind = Command::Kind::replace, .runtime = std::move(runtime)});
}
void Worker::task(std::function<bool(Gateway&, Now)> work) {
    impl_->post({.kind = Command::Kind::task, .work = std::move(work)});
}
void Worker::drain(Drain drain) {
    impl_->post({.kind = Command::Kind::drain, .drain = drain});
}
void Worker::stop() {
    impl_->stop();
}
void Worker::join() {
    impl_->join();
}
const Counters& Worker::counters() const {
    return impl_->counters();
}
bool Worker::drained() const {
    return impl_->drained();
}

}  // namespace wayleave
