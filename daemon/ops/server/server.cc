#include "daemon/ops/server/server.h"

#include <sysexits.h>

#include <csignal>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/broker/local_presence.h"
#include "daemon/broker/local_slots.h"
#include "daemon/decision/ban_text.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/edge/canary.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/edge/mailbox.h"
#include "daemon/edge/worker.h"
#include "daemon/message/backend.h"
#include "daemon/ops/control/event_books.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/load/identity_services.h"
#include "daemon/ops/load/load_log.h"
#include "daemon/ops/load/make_broker.h"
#include "daemon/ops/load/make_notices.h"
#include "daemon/ops/load/start_files.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/log/report_event.h"
#include "daemon/ops/server/admin.h"
#include "daemon/ops/server/console.h"
#include "daemon/ops/server/control_plane.h"
#include "daemon/ops/server/drainer.h"
#include "daemon/ops/server/hand_over.h"
#include "daemon/ops/server/health.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/live_listeners.h"
#include "daemon/ops/server/node_watch.h"
#include "daemon/ops/server/notify.h"
#include "daemon/ops/server/open_files.h"
#include "daemon/ops/server/open_listeners.h"
#include "daemon/ops/server/reloader.h"
#include "daemon/ops/server/snapshot.h"
#include "daemon/ops/server/stopper.h"
#include "daemon/ops/server/take_over.h"
#include "daemon/ops/settings/value.h"
#include "dsl/policy/policy.h"

namespace wayleave {

namespace {

constexpr int64_t second_ms = 1000;
constexpr int64_t last_notices_ms = 3000;  // for the backends to hear that all sessions ended

// As many requests as there may be at a time, each on a connection of its own.
size_t sockets_to_backends(const dsl::Policy& policy) {
    size_t sum = 0;
    for (const dsl::BackendDecl& backend : policy.backends) {
        const auto set = backend.settings.find("concurrency");
        sum += set != backend.settings.end() ? static_cast<size_t>(std::get<int64_t>(set->second.held))
                                             : Backend{}.concurrency;
    }
    return sum;
}

// What all workers use.
struct Shared {
    explicit Shared(size_t max_connections) : quota(max_connections) {}

    EventBooks books;
    const EdgeReport report = make_event_report(&books);
    std::unique_ptr<Broker> broker;
    std::optional<Canary> canary;
    Exchange exchange;
    LocalPresence own_presence{[this](const Publication& message) { broker->announce(message); }};
    LocalSlots own_slots{[this](const SlotHolder& holder) { evict(holder); }};
    LimitTable limits;
    BanTable bans;
    BackendDirectory backends;
    std::unique_ptr<NoticeQueue> notices;  // its thread uses what is above
    ConnectionQuota quota;

    void evict(const SlotHolder& holder) {
        (void)exchange.post(holder.worker, {.kind = Command::Kind::evict, .occupant = holder});
    }
    // Of this daemon alone, or of all nodes.
    [[nodiscard]] Presence& presence() {
        Commons* commons = broker->commons();
        return commons && commons->presence() ? *commons->presence() : own_presence;
    }
    [[nodiscard]] ConnectionSlots& slots() {
        Commons* commons = broker->commons();
        return commons && commons->slots() ? *commons->slots() : own_slots;
    }
};

}  // namespace

// Builds the parts and wires them.
class Server::Impl {
  public:
    Impl(const Settings& settings, size_t max_connections, const LoadedRuntime& loaded,
         IdentityServices& identity_services, StartOptions options)
        : identity_services_(identity_services),
          settings_(settings),
          given_(std::move(options.given)),
          take_over_(options.take_over),
          version_(std::move(options.version)),
          shared_(max_connections),
          reloader_({identity_services, workers_, questions_, calls_, listeners_, [this] { apply_limits(); },
                     [this] { return status_line(snapshot()); }},
                    settings, loaded, start_.wall_ms),
          control_({loop_, calls_, settings_, reloader_, questions_, shared_.exchange, shared_.limits,
                    shared_.bans, shared_.books, drainer_, [this] { return snapshot(); },
                    [this] { return hand_over(); }}),
          stopper_({loop_, workers_, shared_.quota, reloader_, [this] { listeners_.close(); },
                    [this] { return status_line(snapshot()); }, [this] { control_.remove_file(); }}),
          nodes_(node_name(settings_.redis_node_name)) {}
    ~Impl() {
        stop_workers();
        identity_services_.stop();  // answers go to workers
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Started open();
    int run();

  private:
    Started take_over();
    Started open_console();
    Started open_admin();
    Started open_broker();
    Started open_workers();
    void share(Commons& commons);
    void watch();
    void tell_of_start();
    [[nodiscard]] Result<OpsAnswer, DeskError> hand_over();
    [[nodiscard]] std::vector<GivenListener> to_hand_on() const;
    void handed_over(int64_t process);
    void stop_workers();
    void every_second();
    void apply_limits();
    [[nodiscard]] Snapshot snapshot() const;

    IdentityServices& identity_services_;
    const StartSettings settings_;  // those that a reload changes: reloader_.now()
    GivenSockets given_;            // those that nobody has taken yet
    const bool take_over_;
    const std::string version_;
    const Now start_ = read_clocks();

    // In the order of birth; each uses those above it.
    Loop loop_;
    LoopCalls calls_{loop_};
    Shared shared_;
    Workers workers_;
    LiveListeners listeners_{
        {loop_, calls_, workers_, settings_, given_, [this] { return hand_over_.begun(); }}};
    WorkerQuestions questions_{loop_, calls_, workers_};
    std::optional<Health> health_;
    Reloader reloader_;
    Drainer drainer_{loop_, questions_};
    ControlPlane control_;
    Stopper stopper_;
    std::optional<Console> console_;
    HandOver hand_over_{
        {loop_, [this] { return to_hand_on(); }, [this](int64_t process) { handed_over(process); }}};
    NodeWatch nodes_;
    std::optional<HttpServer> admin_;
    bool admin_passed_ = false;  // its socket is a service manager's
    FileDescriptor before_;      // to the daemon that this one takes over from, until it is told
    std::list<SignalWatcher> signals_;
    std::optional<Timer> second_;
    std::string told_status_;
};

Started Server::Impl::open() {
    if (take_over_) {
        if (auto taken = take_over(); !taken) return taken;
    }
    // The control socket first: it tells best that another daemon runs on the same settings.
    if (auto opened = control_.open(given_); !opened) return opened;
    if (auto opened = open_admin(); !opened) return opened;
    if (!take_over_) {
        if (auto opened = open_broker(); !opened) return opened;
    }
    if (auto opened = open_workers(); !opened) return opened;
    control_.connect(*shared_.broker);
    health_.emplace(workers_, *shared_.canary, shared_.quota, start_);
    apply_limits();
    if (Commons* commons = shared_.broker->commons()) nodes_.look(*commons, snapshot());
    identity_services_.refresh(start_);
    for (const auto& worker : workers_) worker->start();
    watch();  // after them: the signals are unblocked in this thread alone
    for (const OpenListener& listener : listeners_.all())
        log_event(Level::info, "listening", "listening on " + listener.shown, {{"address", listener.shown}});
    return Nothing{};
}

// The broker first: where two daemons cannot have the same messages, that is found before anything is given
// away.
Started Server::Impl::take_over() {
    if (auto opened = open_broker(); !opened) {
        StartError error = opened.error();
        if (settings_.broker == "sqlite")
            error.text +=
                "; with --take-over two daemons run for a while, and they cannot share a database: restart "
                "it "
                "instead";
        return failure(std::move(error));
    }
    auto taken = take_over_from(settings_.control_socket);
    if (!taken) return failure(StartError(taken.error()));
    given_ = GivenSockets(std::move(taken->listeners));
    before_ = std::move(taken->line);
    return Nothing{};
}

Started Server::Impl::open_console() {
    std::string token;
    if (!settings_.admin_token_file.empty()) {
        auto read = read_console_token(settings_.admin_token_file);
        if (!read) return refuse_start(EX_CONFIG, read.error());
        token = std::move(*read);
    }
    console_.emplace(std::move(token), [this](const OpsRequest& request, const Responder& respond) {
        control_.answer(request, respond);
    });
    return Nothing{};
}

Started Server::Impl::open_admin() {
    auto socket = open_admin_socket(settings_, given_, admin_passed_);
    if (!socket) return failure(StartError(socket.error()));
    if (!socket->open()) return Nothing{};
    if (auto opened = open_console(); !opened) return opened;
    const std::string bound = bound_to(*socket);
    admin_.emplace(
        loop_, std::move(*socket),
        [this](const OpsRequest& request, const Responder& respond) {
            if (!console_->answer(request, respond)) respond(answer_admin(request, snapshot()));
        },
        [this](const Authority& host, const dsl::Address& local) {
            return is_own_host(host, local, reloader_.now().settings.admin_hosts);
        });
    log_event(Level::info, "admin-listening", "health and metrics on " + bound, {{"address", bound}});
    if (is_public(bound)) {
        log_event(Level::warn, "admin-public",
                  "the admin address can be reached from other machines; it has no login",
                  {{"address", bound}});
    }
    return Nothing{};
}

Started Server::Impl::open_broker() {
    auto made = make_broker(settings_, start_);
    if (!made) return failure(StartError(made.error()));
    shared_.broker = std::move(*made);
    Commons* const commons = shared_.broker->commons();
    shared_.canary.emplace(*shared_.broker, commons ? commons->process() : std::string());
    if (commons) share(*commons);
    shared_.backends.replace(reloader_.now().runtime->backends);  // it begins with what is on disk
    auto notices = make_notices(settings_, identity_services_.backends, shared_.backends, shared_.exchange);
    if (!notices) return refuse_start(EX_CONFIG, notices.error());
    shared_.notices = std::move(*notices);
    return Nothing{};
}

// With the other nodes.
void Server::Impl::share(Commons& commons) {
    identity_services_.used_tokens->share(commons);
    shared_.limits.count_everywhere();
    commons.hear_nodes([this](std::string question, std::function<void(std::string)> answer) {
        calls_.post([this, question = std::move(question), answer = std::move(answer)] {
            control_.answer_other(question, answer);
        });
    });
    commons.on_evict([this](const SlotHolder& holder) { shared_.evict(holder); });
    shared_.bans.share([&commons](const BanNews& news) {
        commons.begin_ban({news.key, write_ban(news), news.ban.left_ms});
    });
    commons.hear_bans(
        {[this](const CommonBan& told) {
             auto news = read_ban(told.text);
             if (!news) return false;
             news->key = told.key;
             news->ban.left_ms = told.left_ms;
             shared_.bans.insert(std::move(*news), read_clocks().steady_ms);
             return true;
         },
         [this](const std::string& key) { (void)shared_.bans.lift_key(key, read_clocks().steady_ms); }});
}

Started Server::Impl::open_workers() {
    const InForce& now = reloader_.now();
    if (auto opened = listeners_.open(now.tls); !opened) return opened;
    const WorkerSettings settings{now.settings.handshake_timeout.count(), settings_.accept_per_turn,
                                  settings_.workers};
    for (size_t i = 0; i < settings_.workers; ++i) {
        auto own = listeners_.of_worker(i);
        if (!own) return failure(StartError(own.error()));
        auto worker = Worker::create(
            {*shared_.broker, shared_.presence(), shared_.slots(), *shared_.canary, shared_.exchange,
             shared_.limits, shared_.bans, *shared_.notices, shared_.quota, shared_.report},
            settings, std::move(*own), now.runtime);
        if (!worker) return refuse_start(EX_CONFIG, worker.error());
        workers_.push_back(std::move(*worker));
    }
    shared_.canary->begin(workers_.size());
    return Nothing{};
}

void Server::Impl::watch() {
    signals_.emplace_back(loop_, SIGHUP, [this] { reloader_.hang_up(); });
    signals_.emplace_back(loop_, SIGTERM, [this] { stopper_.terminate("SIGTERM"); });
    signals_.emplace_back(loop_, SIGINT, [this] { stopper_.terminate("SIGINT"); });
    signals_.emplace_back(loop_, SIGUSR1, [] {
        if (auto done = reopen_log(); !done) log_event(Level::warn, "log-not-reopened", done.error());
    });
    second_.emplace(loop_, [this] { every_second(); });
    second_->every(second_ms);
}

// The daemon before is told behind the service manager, which may take its end for ours.
void Server::Impl::tell_of_start() {
    log_event(Level::info, "started", "ready",
              {{"version", version_},
               {"workers", std::to_string(workers_.size())},
               {"max_connections", std::to_string(shared_.quota.most())},
               {"routes", std::to_string(reloader_.now().runtime->policy->routes.size())}});
    health_->begin(loop_, read_clocks());
    notify_ready(status_line(snapshot()));
    if (!before_.open()) return;
    listeners_.own_files();
    control_.own_file();
    if (!tell_ready(before_))
        log_event(Level::warn, "take-over", "the daemon before has ended meanwhile; this one serves alone");
    before_.close();
}

int Server::Impl::run() {
    tell_of_start();
    loop_.run();
    stop_workers();
    log_event(Level::info, "stopped", "stopped");
    return EX_OK;
}

Result<OpsAnswer, DeskError> Server::Impl::hand_over() {
    if (stopper_.stopping()) return failure(DeskError{503, "the daemon is stopping"});
    return hand_over_.begin();
}

std::vector<GivenListener> Server::Impl::to_hand_on() const {
    std::vector<GivenListener> out;
    for (const OpenListener& listener : listeners_.all()) out.push_back(wayleave::to_hand_on(listener));
    GivenListener& admin = out.emplace_back(GivenListener{GivenListener::Use::admin, {}, {}, {}});
    (admin_passed_ ? admin.name : admin.address) =
        admin_passed_ ? settings_.admin_name : settings_.admin_address;
    if (admin_) admin.sockets.push_back(admin_->share_socket());
    out.push_back(control_.to_hand_on());
    return out;
}

// The files of the sockets are the other one's now.
void Server::Impl::handed_over(int64_t process) {
    listeners_.leave_files();
    control_.leave();
    if (admin_) admin_->stop_listening();
    if (process > 0) notify_main_process(process);
    stopper_.begin("since process " + std::to_string(process) + " has taken over", true);
}

void Server::Impl::stop_workers() {
    for (const auto& worker : workers_) worker->stop();
    for (const auto& worker : workers_) worker->join();
    if (shared_.notices) shared_.notices->finish(last_notices_ms);
    if (shared_.broker) shared_.broker->finish();  // it answers to them
}

void Server::Impl::every_second() {
    const Now now = read_clocks();
    reloader_.forget_retired();
    identity_services_.refresh(now);
    health_->look(reloader_.now().tls, now);
    control_.keep();
    const Snapshot shot = snapshot();
    if (shot.memory_state == MemoryState::shedding) shared_.books.forget();
    if (Commons* commons = shared_.broker->commons()) nodes_.look(*commons, shot);
    std::string status = status_line(shot);
    if (status == told_status_) return;
    told_status_ = std::move(status);
    notify_status(told_status_);
}

// What others have of the settings in force.
void Server::Impl::apply_limits() {
    const ReloadableSettings& settings = reloader_.now().settings;
    health_->set_budget(settings.memory);
    shared_.quota.set_most_of_source(settings.connections_per_source);
    shared_.backends.replace(reloader_.now().runtime->backends);
    control_.set_broker_timeout(settings.broker_timeout.count());
}

Snapshot Server::Impl::snapshot() const {
    const Now now = read_clocks();
    Snapshot shot;
    shot.version = version_;
    shot.wall_ms = now.wall_ms;
    shot.started_wall_ms = start_.wall_ms;
    shot.uptime_ms = now.steady_ms - start_.steady_ms;
    shot.stopping = stopper_.stopping();
    shot.draining = shot.stopping || drainer_.draining();
    health_->tell(shot);
    for (const OpenListener& listener : listeners_.all()) shot.listeners.push_back(listener.shown);
    for (const auto& worker : workers_) {
        shot.totals.add(worker->counters());
        shot.loop_turns.push_back(worker->counters().loop_turns.get());
    }
    shot.max_connections = shared_.quota.most();
    shot.limit_keys = shared_.limits.keys();
    shot.limit_evictions = shared_.limits.evictions();
    shot.bans_in_force = shared_.bans.in_force();
    shot.bans_begun = shared_.bans.begun();
    shot.ban_overflows = shared_.bans.overflows();
    shot.log_lost = log_lost();
    const RefusalBook::Totals refusals = shared_.books.refusals.totals();
    shot.refusals_kept_bytes = refusals.bytes;
    shot.refusals_forgotten = refusals.forgotten;
    shot.broker = shared_.broker->totals();
    shot.broker_health = shared_.broker->health();
    if (const Commons* commons = shared_.broker->commons()) shot.nodes = commons->nodes();
    shot.identity = identity_services_.totals();
    shot.notices = shared_.notices->totals();
    reloader_.tell(shot);
    return shot;
}

// --- the outer shell ---

Result<std::unique_ptr<Server>, StartError> Server::start(const Settings& settings,
                                                          const LoadedRuntime& loaded,
                                                          IdentityServices& identity_services,
                                                          StartOptions options) {
    const auto max_connections = fit_open_files(settings, sockets_to_backends(*loaded.runtime->policy));
    if (!max_connections) return refuse_start(EX_CONFIG, max_connections.error());
    log_warnings(loaded);
    auto impl =
        std::make_unique<Impl>(settings, *max_connections, loaded, identity_services, std::move(options));
    if (auto opened = impl->open(); !opened) return failure(opened.error());
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

int Server::run() {
    return impl_->run();
}

}  // namespace wayleave
