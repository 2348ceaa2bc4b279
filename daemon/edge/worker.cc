#include "daemon/edge/worker.h"

#include <pthread.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/edge/listener.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/mailbox.h"

namespace wayleave {

namespace {

constexpr int64_t tick_ms = 100;
// One turn empties the mailbox so often before it looks at the sockets again: what is published meanwhile by
// our own clients is delivered in the same turn, but nobody can keep the loop from its sockets.
constexpr int rounds_per_turn = 4;

}  // namespace

class Worker::Impl {
  public:
    Impl(const Parts& parts, const WorkerSettings& settings, std::shared_ptr<const Runtime> runtime)
        : door_(parts.door),
          report_(parts.report),
          settings_(settings),
          mailbox_(loop_),
          gateway_(parts.broker.add_worker(mailbox_), parts.broker, parts.limits, parts.bans, counters_,
                   std::move(runtime)) {}
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
    void stop() { mailbox_.post({Command::Kind::stop, nullptr, false, {}, {}}); }
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

    Door& door_;
    const EdgeReport& report_;
    const WorkerSettings settings_;
    Now now_ = read_clocks();  // of this turn
    Counters counters_;
    std::atomic<bool> drained_{false};

    // In the order of birth; each uses those above it.
    Loop loop_;
    Mailbox mailbox_;
    Gateway gateway_;
    std::unique_ptr<Transports> transports_;
    Reserve reserve_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::optional<Turn> turn_;
    std::optional<Timer> ticker_;
    std::vector<Publication> publications_;
    std::vector<Command> commands_;
    std::thread thread_;
};

Status Worker::Impl::open(std::vector<WorkerListener> listeners) {
    std::vector<TlsFiles> tls;
    for (const WorkerListener& listener : listeners) {
        if (listener.tls) tls.push_back(listener.files);
    }
    auto transports =
        Transports::create({loop_, gateway_, counters_, door_, now_, report_}, tls, settings_.tls_timeout_ms);
    if (!transports) return failure(transports.error());
    transports_ = std::move(*transports);

    size_t next_tls = 0;
    for (WorkerListener& listener : listeners) {
        const size_t side = listener.tls ? next_tls++ : Transports::plain;
        listeners_.push_back(std::make_unique<Listener>(
            Listener::Parts{loop_, door_, counters_, reserve_, now_, report_}, std::move(listener.socket),
            listener.tls, settings_.accept_per_turn, [this, side](FileDescriptor socket, const Peer& peer) {
                transports_->adopt(std::move(socket), side, peer);
            }));
    }
    turn_.emplace(
        loop_, [this] { begin_turn(); }, [this] { end_turn(); });
    ticker_.emplace(loop_, [this] { tick(); });
    ticker_->every(tick_ms);
    return success();
}

void Worker::Impl::run() {
    pthread_setname_np(pthread_self(), "wayleave-worker");
    mailbox_.owned_by_this_thread();
    Transports::report_on_this_thread(report_);
    loop_.run();
    // In this order, while the gateway lives: closing the sockets tells it.
    listeners_.clear();
    transports_.reset();
}

void Worker::Impl::begin_turn() {
    now_ = read_clocks();
    counters_.loop_turns.add();
}

// Everything that happened in this turn is answered here, so that the frames of one turn join into one write.
void Worker::Impl::end_turn() {
    for (int round = 0; mailbox_.take(publications_, commands_); ++round) {
        for (Command& command : commands_) obey(command);
        gateway_.delivered(publications_, now_);
        commands_.clear();
        publications_.clear();
        transports_->work_off();
        if (round == rounds_per_turn) {
            mailbox_.wake();  // for what may have come since: do not sleep on it
            break;
        }
    }
    transports_->work_off();
    if (gateway_.drained() && transports_->sockets() == 0) drained_.store(true, std::memory_order_release);
}

void Worker::Impl::obey(Command& command) {
    switch (command.kind) {
        case Command::Kind::replace: return gateway_.replace(std::move(command.runtime), now_);
        case Command::Kind::drain: listeners_.clear(); return gateway_.drain(command.at_once, now_);
        case Command::Kind::unseat: return gateway_.unseat(command.occupant, now_);
        case Command::Kind::stop: return loop_.stop();
        case Command::Kind::task:
            if (!command.work(gateway_, now_)) mailbox_.post(std::move(command));
            return;
    }
}

void Worker::Impl::tick() {
    gateway_.tick(now_);
    transports_->tick();
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
void Worker::replace(std::shared_ptr<const Runtime> runtime) {
    impl_->post({Command::Kind::replace, std::move(runtime), false, {}, {}});
}
void Worker::task(std::function<bool(Gateway&, Now)> work) {
    impl_->post({Command::Kind::task, nullptr, false, std::move(work), {}});
}
void Worker::drain(bool at_once) {
    impl_->post({Command::Kind::drain, nullptr, at_once, {}, {}});
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
