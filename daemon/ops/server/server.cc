#include "daemon/ops/server/server.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/escape.h"
#include "daemon/base/now.h"
#include "daemon/decision/bans.h"
#include "daemon/decision/limits.h"
#include "daemon/edge/canary.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/edge/mailbox.h"
#include "daemon/edge/worker.h"
#include "daemon/message/backend.h"
#include "daemon/ops/control/control.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/control/inspect.h"
#include "daemon/ops/control/unix_listener.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/load/identity_services.h"
#include "daemon/ops/load/load_log.h"
#include "daemon/ops/load/make_broker.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/log/report_event.h"
#include "daemon/ops/server/admin.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/memory_budget.h"
#include "daemon/ops/server/notify.h"
#include "daemon/ops/server/open_files.h"
#include "daemon/ops/server/reloader.h"
#include "daemon/ops/server/snapshot.h"
#include "daemon/ops/settings/value.h"
#include "dsl/policy/canonical.h"
#include "dsl/policy/policy.h"

namespace wayleave {

namespace {

constexpr int64_t drain_check_ms = 100;
constexpr size_t drained_at_once = 100;  // fewer connections than this need no spreading
constexpr int64_t second_ms = 1000;
constexpr int64_t trim_every_ms = 2000;
constexpr int64_t extend_ms = 5000;
constexpr int64_t drain_grace_ms = 2000;  // for the last bytes, beyond what the settings grant

Failure<StartError> refuse(int exit_code, std::string text) {
    return failure(StartError{exit_code, std::move(text)});
}

int exit_code_of(const ListenError& error) {
    switch (error.code) {
        case EADDRINUSE:
        case EADDRNOTAVAIL: return EX_UNAVAILABLE;
        case EACCES:
        case EPERM: return EX_NOPERM;
        case ENOENT:
        case EINVAL:  // a group that there is not
        case EEXIST:
        case ENAMETOOLONG: return EX_CONFIG;
        default: return EX_OSERR;
    }
}

Failure<StartError> refuse(const ListenError& error) {
    return refuse(exit_code_of(error), error.text);
}

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

ListenAddress listen_address(const std::string& text) {
    const auto address = parse_socket_address(text).value();  // the settings were checked
    return {address.host, address.port};
}

}  // namespace

class Server::Impl {
  public:
    Impl(const Settings& settings, size_t max_connections, const LoadedRuntime& loaded,
         IdentityServices& identity_services, std::string version)
        : identity_services_(identity_services),
          started_(settings),
          version_(std::move(version)),
          quota_(max_connections),
          reloader_({identity_services, workers_, questions_, calls_, [this] { apply_limits(); },
                     [this] { return status_line(snapshot()); }},
                    settings, loaded, start_.wall_ms) {}
    ~Impl() {
        stop_workers();
        identity_services_.stop();  // answers go to workers
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Result<Nothing, StartError> open();
    int run();

  private:
    // How a worker's loop was seen last.
    struct Pulse {
        uint64_t turns = 0;
        int64_t since_ms = 0;
        bool stalled = false;
    };

    Result<Nothing, StartError> open_broker();
    Result<Nothing, StartError> open_workers();
    Result<Nothing, StartError> open_listeners(std::vector<std::vector<WorkerListener>>& of_workers);
    Result<Nothing, StartError> open_unix(const ListenerSettings& listener,
                                          std::vector<std::vector<WorkerListener>>& of_workers);
    Result<Nothing, StartError> open_control();
    [[nodiscard]] Result<UnixListener, ListenError> open_control_file() const;
    void serve_control(UnixListener listener);
    [[nodiscard]] ControlActions control_actions();
    void keep_control();
    void tell_of_certificates();
    Result<Nothing, StartError> open_admin();
    void publish(std::string_view json, ControlPublisher::ThenPublished then);
    void watch();
    void stop_workers();

    size_t lift_ban(const std::string& name);
    void terminate(const char* signal);
    void drain_progress();
    void every_second();
    void apply_limits();
    void look_at_memory();
    void check_pulses();
    void tell_of_canary();
    void feed_watchdog();
    [[nodiscard]] Snapshot snapshot() const;
    [[nodiscard]] const Settings& settings() const { return reloader_.now().settings; }

    IdentityServices& identity_services_;
    const Settings started_;
    const std::string version_;
    const Now start_ = read_clocks();

    // In the order of birth; each uses those above it.
    Loop loop_;
    LoopCalls calls_{loop_};
    const EdgeReport report_ = make_event_report();
    std::unique_ptr<Broker> broker_;
    std::optional<Canary> canary_;
    Exchange exchange_;
    std::optional<ControlPublisher> desk_;
    LimitTable limits_;
    BanTable bans_;
    ConnectionQuota quota_;
    Workers workers_;
    WorkerQuestions questions_{loop_, calls_, workers_};
    Reloader reloader_;
    std::vector<Pulse> pulses_;
    std::vector<std::string> listeners_;  // as they are bound
    std::list<UnixListener> unix_files_;

    std::optional<UnixListener> control_file_;
    std::optional<HttpServer> control_;
    std::optional<HttpServer> admin_;
    std::list<SignalWatcher> signals_;
    std::optional<Timer> second_;
    std::optional<Timer> watchdog_;
    std::optional<Timer> drain_timer_;
    MemoryBudget memory_;
    int64_t trimmed_ms_ = 0;
    int64_t drain_until_ms_ = 0;
    int64_t extended_ms_ = 0;
    bool draining_ = false;
    std::string told_status_;
    bool told_stuck_ = false;
    bool told_control_ = false;
    int64_t certificates_at_ms_ = 0;  // steady time
    int exit_code_ = EX_OK;
};

Result<Nothing, StartError> Server::Impl::open() {
    // The control socket first: it tells best that another daemon runs on the same settings.
    apply_limits();
    if (auto opened = open_control(); !opened) return opened;
    if (auto opened = open_admin(); !opened) return opened;
    if (auto opened = open_broker(); !opened) return opened;
    if (auto opened = open_workers(); !opened) return opened;
    identity_services_.refresh(start_);
    for (const auto& worker : workers_) worker->start();
    watch();  // after them: the signals are unblocked in this thread alone
    for (const std::string& listener : listeners_) {
        log_event(Level::info, "listening", "listening on " + listener, {{"address", listener}});
    }
    return Nothing{};
}

Result<Nothing, StartError> Server::Impl::open_control() {
    if (started_.control_socket.empty()) return Nothing{};
    auto listener = open_control_file();
    if (!listener) return refuse(listener.error());
    serve_control(std::move(*listener));
    return Nothing{};
}

Result<UnixListener, ListenError> Server::Impl::open_control_file() const {
    UnixListener::Options options;
    options.group = started_.control_group;
    if (!options.group.empty()) options.mode = 0660;
    return UnixListener::open(started_.control_socket, options);
}

void Server::Impl::serve_control(UnixListener listener) {
    control_file_.emplace(std::move(listener));
    const auto group = started_.control_group.empty() ? std::nullopt : group_number(started_.control_group);
    if (control_) return control_->listen_at(control_file_->take_socket());
    control_.emplace(
        loop_, control_file_->take_socket(),
        [this](const OpsRequest& request, const Responder& respond) {
            answer_control(request, control_actions(), respond);
        },
        HttpServer::HostRule(), [group](int socket) { return is_peer_of(socket, group); });
}

ControlActions Server::Impl::control_actions() {
    return {[this](ThenReloaded then) { reloader_.reload(std::move(then)); },
            [this](ThenForecast then) { reloader_.forecast(std::move(then)); },
            [this] { return snapshot(); },
            [this](const SessionFilter& filter, Then<const std::string&> then) {
                list_sessions(questions_, filter, std::move(then));
            },
            [this](const LiveQuestion& question, Then<Result<Explanation>> then) {
                explain_live(questions_, limits_, question, std::move(then));
            },
            [this] { return bans_.list(read_clocks().steady_ms); },
            [this](const std::string& name) { return lift_ban(name); },
            [this](std::string_view json, ControlPublisher::ThenPublished then) {
                publish(json, std::move(then));
            },
            [this](std::string_view json, ControlPublisher::ThenProgress then) {
                desk_->progress(json, *reloader_.now().runtime->policy, read_clocks(), std::move(then));
            }};
}

// Somebody may have emptied the directory of a daemon that runs; without the socket he could not even ask it.
void Server::Impl::keep_control() {
    if (!control_file_ || control_file_->stands()) return;
    auto listener = open_control_file();
    if (listener) {
        log_event(Level::warn, "control-remade", "the control socket was removed, and is made anew",
                  {{"path", started_.control_socket}});
        return serve_control(std::move(*listener));
    }
    if (!std::exchange(told_control_, true))
        log_event(Level::error, "control-lost", "the control socket was removed: " + listener.error().text);
}

// Who has more to say than is delivered says it later, as the clients do.
void Server::Impl::publish(std::string_view json, ControlPublisher::ThenPublished then) {
    if (exchange_.crammed())
        return then(failure(DeskError{503, "more is published than the workers deliver; try again"}));
    desk_->publish(json, *reloader_.now().runtime->policy, read_clocks(), std::move(then));
}

Result<Nothing, StartError> Server::Impl::open_admin() {
    if (started_.admin_address.empty()) return Nothing{};
    auto socket = listen_on(listen_address(started_.admin_address), {});
    if (!socket) return refuse(socket.error());
    ListenAddress bound = listen_address(started_.admin_address);
    bound.port = port_of(*socket);
    admin_.emplace(
        loop_, std::move(*socket),
        [this](const OpsRequest& request, const Responder& respond) {
            respond(answer_admin(request, snapshot()));
        },
        [this](const Authority& host, const dsl::Address& local) {
            return is_own_host(host, local, settings().admin_hosts);
        });
    log_event(Level::info, "admin-listening", "health and metrics on " + bound.text(),
              {{"address", bound.text()}});
    if (started_.admin_is_public()) {
        log_event(Level::warn, "admin-public",
                  "the admin address can be reached from other machines; it has no login",
                  {{"address", bound.text()}});
    }
    return Nothing{};
}

// One socket for each worker and address. Port 0 is chosen by the kernel for the first worker and is then the
// others'.
Result<Nothing, StartError> Server::Impl::open_listeners(
    std::vector<std::vector<WorkerListener>>& of_workers) {
    for (const ListenerSettings& listener : started_.listeners) {  // before any of ours is bound
        if (!listener.unix_path().empty()) continue;
        if (auto unused = check_unused(listen_address(listener.address), listener.ipv6only); !unused)
            return refuse(unused.error());
    }
    for (size_t i = 0; i < started_.listeners.size(); ++i) {
        const ListenerSettings& listener = started_.listeners[i];
        if (!listener.unix_path().empty()) {
            if (auto opened = open_unix(listener, of_workers); !opened) return opened;
            continue;
        }
        ListenAddress address = listen_address(listener.address);
        const bool tls = !listener.certificate.empty();
        for (auto& listeners : of_workers) {
            auto socket = listen_on(
                address, {.send_buffer = started_.send_buffer, .v6_only = listener.ipv6only, .share = true});
            if (!socket) return refuse(socket.error());
            address.port = port_of(*socket);
            listeners.push_back({std::move(*socket),
                                 tls,
                                 listener.proxy_protocol,
                                 {{listener.certificate, listener.key}, reloader_.now().tls[i]}});
        }
        listeners_.push_back((tls ? "https://" : "http://") + address.text());
    }
    return Nothing{};
}

// All workers accept at one socket: there is no SO_REUSEPORT for these.
Result<Nothing, StartError> Server::Impl::open_unix(const ListenerSettings& listener,
                                                    std::vector<std::vector<WorkerListener>>& of_workers) {
    constexpr int backlog = 4096;
    const std::string mode = listener.mode.empty() ? "0660" : listener.mode;
    auto opened = UnixListener::open(
        listener.unix_path(),
        {"listen[].address", static_cast<unsigned>(std::stoul(mode, nullptr, 8)), listener.group, backlog});
    if (!opened) return refuse(opened.error());
    unix_files_.push_back(std::move(*opened));
    for (auto& listeners : of_workers) {
        FileDescriptor socket = unix_files_.back().share_socket();
        if (!socket.open()) return refuse(EX_OSERR, listener.address + ": " + std::strerror(errno));
        listeners.push_back({std::move(socket), false, listener.proxy_protocol, {}});
    }
    (void)unix_files_.back().take_socket();  // those of the workers are left, so that it ends with them
    listeners_.push_back(listener.address);
    return Nothing{};
}

Result<Nothing, StartError> Server::Impl::open_broker() {
    auto made = make_broker(started_, start_);
    if (!made) return failure(StartError(made.error()));
    broker_ = std::move(*made);
    canary_.emplace(*broker_);
    return Nothing{};
}

Result<Nothing, StartError> Server::Impl::open_workers() {
    std::vector<std::vector<WorkerListener>> listeners(started_.workers);
    if (auto opened = open_listeners(listeners); !opened) return opened;
    const WorkerSettings settings{started_.handshake_timeout.count(), started_.accept_per_turn};
    for (auto& sockets : listeners) {
        auto worker = Worker::create({*broker_, *canary_, exchange_, limits_, bans_, quota_, report_},
                                     settings, std::move(sockets), reloader_.now().runtime);
        if (!worker) return refuse(EX_CONFIG, worker.error());
        workers_.push_back(std::move(*worker));
    }
    canary_->begin(workers_.size());
    desk_.emplace(loop_, calls_, *broker_, started_.broker_timeout.count());
    pulses_.assign(workers_.size(), Pulse{0, start_.steady_ms, false});
    return Nothing{};
}

void Server::Impl::watch() {
    signals_.emplace_back(loop_, SIGHUP, [this] { reloader_.hang_up(); });
    signals_.emplace_back(loop_, SIGTERM, [this] { terminate("SIGTERM"); });
    signals_.emplace_back(loop_, SIGINT, [this] { terminate("SIGINT"); });
    signals_.emplace_back(loop_, SIGUSR1, [] {});  // kept for later; not a way to die
    second_.emplace(loop_, [this] { every_second(); });
    second_->every(second_ms);
    drain_timer_.emplace(loop_, [this] { drain_progress(); });
    watchdog_.emplace(loop_, [this] { feed_watchdog(); });
    if (const int64_t interval = watchdog_interval_ms(); interval > 0) watchdog_->every(interval);
}

int Server::Impl::run() {
    log_event(Level::info, "started", "ready",
              {{"version", version_},
               {"workers", std::to_string(workers_.size())},
               {"max_connections", std::to_string(quota_.most())},
               {"routes", std::to_string(reloader_.now().runtime->policy->routes.size())}});
    canary_->probe(read_clocks(), steady_us());
    notify_ready(status_line(snapshot()));
    loop_.run();
    stop_workers();
    log_event(Level::info, "stopped", "stopped");
    return exit_code_;
}

void Server::Impl::stop_workers() {
    for (const auto& worker : workers_) worker->stop();
    for (const auto& worker : workers_) worker->join();
    if (broker_) broker_->finish();  // it answers to them
}

size_t Server::Impl::lift_ban(const std::string& name) {
    const size_t lifted = bans_.lift(name, read_clocks().steady_ms);
    if (lifted > 0) {
        log_event(Level::info, "ban-lifted", escape_peer_text(name, 256) + " was lifted by an operator",
                  {{"bans", std::to_string(lifted)}});
    }
    return lifted;
}

// --- stopping ---

void Server::Impl::terminate(const char* signal) {
    if (draining_) {
        log_event(Level::warn, "stopped", std::string(signal) + " again: ending at once");
        flush_log();
        control_file_.reset();
        _exit(EX_OK);
    }
    draining_ = true;
    reloader_.stop();
    log_event(Level::info, "stopping", std::string("stopping on ") + signal,
              {{"sockets", std::to_string(quota_.inside())}});
    notify_stopping(status_line(snapshot()));
    const bool at_once = quota_.inside() < drained_at_once;
    for (const auto& worker : workers_) worker->drain(at_once);
    const int64_t patience = settings().drain.count() + settings().close_timeout.count() + drain_grace_ms;
    drain_until_ms_ = read_clocks().steady_ms + patience;
    drain_timer_->every(drain_check_ms);
}

void Server::Impl::drain_progress() {
    const int64_t now_ms = read_clocks().steady_ms;
    const bool done =
        std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->drained(); });
    if (!done && now_ms < drain_until_ms_) {
        if (now_ms - extended_ms_ < second_ms) return;
        extended_ms_ = now_ms;
        return notify_extend_timeout(extend_ms);
    }
    // It cannot be interrupted; a second signal, or the service manager's patience, puts an end to it.
    if (reloader_.loading()) return;
    if (!done) {
        log_event(Level::warn, "drain-incomplete", "connections are left and are cut off",
                  {{"sockets", std::to_string(quota_.inside())}});
    }
    loop_.stop();
}

// --- health ---

void Server::Impl::every_second() {
    reloader_.forget_retired();
    identity_services_.refresh(read_clocks());
    check_pulses();
    canary_->probe(read_clocks(), steady_us());
    tell_of_canary();
    look_at_memory();
    keep_control();
    tell_of_certificates();
    std::string status = status_line(snapshot());
    if (status == told_status_) return;
    told_status_ = std::move(status);
    notify_status(told_status_);
}

// What the quota and the memory's budget have of the settings in force.
void Server::Impl::apply_limits() {
    memory_.set_budget(settings().memory);
    quota_.set_most_of_source(settings().connections_per_source);
}

void Server::Impl::look_at_memory() {
    const MemoryState before = memory_.state();
    const MemoryState state = memory_.update(resident_bytes());
    quota_.set_memory_short(state != MemoryState::ample);
    if (state != before) {
        log_event(state == MemoryState::ample ? Level::info : Level::warn, "memory",
                  state == MemoryState::ample      ? "memory is ample again"
                  : state == MemoryState::refusing ? "memory is short: new connections are refused"
                                                   : "memory is very short: slow readers are closed",
                  {{"used", std::to_string(memory_.used())}, {"budget", std::to_string(memory_.budget())}});
    }
    if (state == MemoryState::shedding) {
        for (const auto& worker : workers_) {
            worker->task([](Gateway& gateway, Now now) {
                gateway.shed(now);
                return true;
            });
        }
    }
    // What was freed goes back to the kernel, or it would go on to count.
    const int64_t now_ms = read_clocks().steady_ms;
    if (state == MemoryState::ample || now_ms - trimmed_ms_ < trim_every_ms) return;
    trimmed_ms_ = now_ms;
    malloc_trim(0);
}

void Server::Impl::check_pulses() {
    const int64_t now_ms = read_clocks().steady_ms;
    for (size_t i = 0; i < workers_.size(); ++i) {
        Pulse& pulse = pulses_[i];
        const uint64_t turns = workers_[i]->counters().loop_turns.get();
        if (turns != pulse.turns) {
            if (pulse.stalled) {
                log_event(
                    Level::warn, "worker-resumed", "a worker's loop turns again",
                    {{"worker", std::to_string(i)}, {"stalled_ms", std::to_string(now_ms - pulse.since_ms)}});
            }
            pulse = {turns, now_ms, false};
        } else if (!pulse.stalled && now_ms - pulse.since_ms >= second_ms) {
            pulse.stalled = true;
            log_event(Level::error, "worker-stalled", "a worker's loop does not turn; its clients wait",
                      {{"worker", std::to_string(i)}});
        }
    }
}

// Once, when delivery stops, and once when it goes on.
void Server::Impl::tell_of_canary() {
    const CanaryReport report = canary_->report(steady_us());
    if (report.ready != told_stuck_ || report.rounds == 0) return;
    told_stuck_ = !report.ready;
    if (report.ready)
        return log_event(Level::warn, "delivery-resumed", "publications come to every worker again");
    for (const std::string& one : report.stuck) log_event(Level::error, "delivery-stuck", one);
}

// Once a day, for those that are renewed by nobody.
void Server::Impl::tell_of_certificates() {
    constexpr int64_t day_ms = 86'400'000;
    const Now now = read_clocks();
    if (now.steady_ms < certificates_at_ms_) return;
    const bool at_start = certificates_at_ms_ == 0;  // loading has told of them
    certificates_at_ms_ = now.steady_ms + day_ms;
    if (at_start) return;
    for (const auto& side : reloader_.now().tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates()) {
            const std::string text = ending_soon(certificate, now.wall_ms);
            if (!text.empty()) log_event(Level::warn, "certificate-expires", text);
        }
    }
}

// Not fed while a worker stands still: then the service manager ends the process and starts a new one.
void Server::Impl::feed_watchdog() {
    check_pulses();
    const bool stalled =
        std::any_of(pulses_.begin(), pulses_.end(), [](const Pulse& pulse) { return pulse.stalled; });
    if (!stalled) notify_watchdog();
}

Snapshot Server::Impl::snapshot() const {
    const Now now = read_clocks();
    const InForce& in_force = reloader_.now();
    Snapshot shot;
    shot.version = version_;
    shot.wall_ms = now.wall_ms;
    shot.started_wall_ms = start_.wall_ms;
    shot.uptime_ms = now.steady_ms - start_.steady_ms;
    shot.draining = draining_;
    shot.healthy =
        std::none_of(pulses_.begin(), pulses_.end(), [](const Pulse& pulse) { return pulse.stalled; });
    shot.canary = canary_->report(steady_us());
    shot.listeners = listeners_;
    for (const auto& side : in_force.tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates())
            shot.certificates.insert_or_assign(certificate.path, certificate.expires_s);
    }
    for (const auto& worker : workers_) {
        shot.totals.add(worker->counters());
        shot.loop_turns.push_back(worker->counters().loop_turns.get());
    }
    shot.max_connections = quota_.most();
    shot.memory_used = memory_.used();
    shot.memory_budget = memory_.budget();
    shot.memory_state = memory_.state();
    shot.limit_keys = limits_.keys();
    shot.limit_evictions = limits_.evictions();
    shot.bans_in_force = bans_.in_force();
    shot.bans_begun = bans_.begun();
    shot.ban_overflows = bans_.overflows();
    shot.log_lost = log_lost();
    shot.broker = broker_->totals();
    shot.identity = identity_services_.totals();
    shot.policy_directory = in_force.settings.policy_directory;
    shot.generation = in_force.runtime->generation;
    shot.loaded_wall_ms = in_force.loaded_wall_ms;
    shot.policy_hash = dsl::hash_text(in_force.runtime->policy->hash);
    shot.shadow = in_force.runtime->shadow != nullptr;
    shot.policy_files = in_force.runtime->policy->files;
    for (const auto& route : in_force.runtime->policy->routes) shot.routes.push_back(route->name);
    shot.tokens = in_force.runtime->policy->tokens.size();
    shot.static_files = in_force.runtime->files.size();
    shot.reloads_done = reloader_.totals().done;
    shot.reloads_refused = reloader_.totals().refused;
    shot.reloads_busy = reloader_.totals().busy;
    shot.last_reload_refused = reloader_.totals().last_refused;
    return shot;
}

// --- the outer shell ---

Result<std::unique_ptr<Server>, StartError> Server::start(const Settings& settings,
                                                          const LoadedRuntime& loaded,
                                                          IdentityServices& identity_services,
                                                          std::string version) {
    const auto max_connections = fit_open_files(settings, sockets_to_backends(*loaded.runtime->policy));
    if (!max_connections) return refuse(EX_CONFIG, max_connections.error());
    log_warnings(loaded);
    auto impl =
        std::make_unique<Impl>(settings, *max_connections, loaded, identity_services, std::move(version));
    if (auto opened = impl->open(); !opened) return failure(opened.error());
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

int Server::run() {
    return impl_->run();
}

}  // namespace wayleave
