#include "daemon/edge/worker.h"

#include <pthread.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/decision/used_tokens.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/mailbox.h"
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

struct DoorOrder {
    std::vector<WorkerListener> more;  // to be prepared
    std::function<void(Status)> prepared;
    bool open = false;  // what was prepared; else it is dropped
    std::vector<uint64_t> closed;
};

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
    void prepare(DoorOrder& order);
    void settle(const DoorOrder& order);

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
    bool draining_ = false;

    // In the order of birth; each uses those above it.
    Loop loop_;
    Mailbox mailbox_;
    const uint32_t number_;  // the broker's
    Gateway gateway_;
    std::unique_ptr<Transports> transports_;
    std::unique_ptr<Upstreams> upstreams_;
    std::optional<Doors> doors_;
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
    transports_ = std::make_unique<Transports>(
        Transports::Parts{loop_, gateway_, counters_, quota_, now_, report_, exchange_.pressure()},
        settings_.tls_timeout_ms);
    upstreams_ = std::make_unique<Upstreams>(Upstreams::Parts{loop_, gateway_, quota_, now_});
    doors_.emplace(Doors::Parts{loop_, *transports_, quota_, counters_, now_, report_, runtime_,
                                settings_.tls_timeout_ms, settings_.accept_per_turn});
    if (auto prepared = doors_->prepare(std::move(listeners)); !prepared) return prepared;
    doors_->open();
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

void Worker::Impl::run() {
    pthread_setname_np(pthread_self(), "wayleave-worker");
    mailbox_.owned_by_this_thread();
    LwsCarriers::report_on_this_thread(report_);
    loop_.run();
    // In this order, while the gateway lives: closing the sockets tells it.
    doors_.reset();
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
            doors_->close_all();
            draining_ = true;
            return gateway_.drain(command.drain, now_);
        case Command::Kind::certificates: return doors_->replace(command.listener, command.certificates);
        case Command::Kind::prepare_doors: return prepare(*command.doors);
        case Command::Kind::settle_doors: return settle(*command.doors);
        case Command::Kind::answer: return gateway_.answered(command.ticket, std::move(command.answer), now_);
        case Command::Kind::evict: return gateway_.evict(command.occupant, now_);
        case Command::Kind::stop: return loop_.stop();
        case Command::Kind::task:
            if (!command.work(gateway_, now_)) mailbox_.post(std::move(command));
            return;
    }
}

// Reads certificates: two small files that the loader has just read.
void Worker::Impl::prepare(DoorOrder& order) {
    order.prepared(draining_ ? failure("the daemon is stopping") : doors_->prepare(std::move(order.more)));
}

void Worker::Impl::settle(const DoorOrder& order) {
    order.open ? doors_->open() : doors_->drop_prepared();
    doors_->close(order.closed);
}

void Worker::Impl::tick() {
    gateway_.tick(now_);
    transports_->tick();
    doors_->tick();
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
    for (ListenerTls& one : tls) {
        impl_->post({.kind = Command::Kind::certificates,
                     .listener = one.listener,
                     .certificates = std::move(one.side)});
    }
    impl_->post({.kind = Command::Kind::replace, .runtime = std::move(runtime)});
}
void Worker::prepare(std::vector<WorkerListener> listeners, std::function<void(Status)> prepared) {
    impl_->post({.kind = Command::Kind::prepare_doors,
                 .doors = std::make_shared<DoorOrder>(
                     DoorOrder{std::move(listeners), std::move(prepared), false, {}})});
}
void Worker::settle(bool open, std::vector<uint64_t> closed) {
    impl_->post({.kind = Command::Kind::settle_doors,
                 .doors = std::make_shared<DoorOrder>(DoorOrder{{}, {}, open, std::move(closed)})});
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
