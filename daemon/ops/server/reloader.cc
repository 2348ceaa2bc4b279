#include "daemon/ops/server/reloader.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "daemon/base/now.h"
#include "daemon/explain/test_run.h"
#include "daemon/ops/load/identity_services.h"
#include "daemon/ops/load/load_log.h"
#include "daemon/ops/load/reload_changes.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/live_listeners.h"
#include "daemon/ops/server/notify.h"
#include "dsl/policy/canonical.h"
#include "dsl/policy/describe.h"
#include "dsl/policy/difference.h"
#include "dsl/policy/policy.h"

namespace wayleave {

namespace {

constexpr size_t most_waiting = 16;
constexpr int64_t reload_wait_ms = 1000;
constexpr int64_t forecast_wait_ms = 10'000;

Failure<DeskError> stopping() {
    return failure(DeskError{503, "the daemon is stopping"});
}

}  // namespace

// What the helper thread has found.
struct Reloader::Loaded {
    std::optional<Settings> settings;
    LoadedRuntime runtime;
    std::string text;  // for a person
    size_t errors = 0;
    bool same = false;  // the policy means what it did
    std::vector<std::string> changes;
    std::string difference;  // of the policy, line by line
    ReloadPreview preview;
    ListenerChanges listeners;

    [[nodiscard]] bool good() const { return runtime.runtime != nullptr; }

    void load(const std::string& file, uint64_t generation, IdentityServices& identity_services);
    void add_problem(const std::string& problem);
    void compare(const InForce& now);
    void foretell(const InForce& now);
};

void Reloader::Loaded::load(const std::string& file, uint64_t generation,
                            IdentityServices& identity_services) {
    auto read = load_settings(file);
    if (!read) {
        for (const std::string& error : read.error()) text += error + "\n";
        errors = read.error().size();
        return;
    }
    settings = std::move(*read);
    runtime = load_runtime(*settings, generation, &identity_services);
    text = runtime.render(false);
    errors = runtime.errors();
}

// Found behind the rest.
void Reloader::Loaded::add_problem(const std::string& problem) {
    runtime.problems.push_back(problem);
    text = runtime.render(false);
    errors = runtime.errors();
}

void Reloader::Loaded::compare(const InForce& now) {
    same = runtime.runtime->policy->hash == now.runtime->policy->hash;
    if (!same) {
        const auto differing = dsl::difference(*now.runtime->policy, *runtime.runtime->policy);
        changes = summary_of(differing);
        difference = dsl::text_of(differing);
    }
    for (std::string& line : changes_beside_policy({now.origins, *now.runtime, now.tls},
                                                   {settings->origins, *runtime.runtime, runtime.tls}))
        changes.push_back(std::move(line));
}

void Reloader::Loaded::foretell(const InForce& now) {
    const Runtime& next = *runtime.runtime;
    preview.changes = dsl::difference(*now.runtime->policy, *next.policy);
    preview.beside =
        changes_beside_policy({now.origins, *now.runtime, now.tls}, {settings->origins, next, runtime.tls});
    preview.tests_known =
        questions(now.runtime->policy->tests) + questions(next.policy->tests) <= most_questions_of_daemon;
    if (preview.tests_known) preview.tests = changed_tests(*now.runtime, next, read_clocks());
}

Reloader::Reloader(Parts parts, const Settings& settings, const LoadedRuntime& loaded, int64_t wall_ms)
    : parts_(std::move(parts)),
      started_(settings),
      now_(std::make_shared<const InForce>(
          InForce{settings, settings.origins, loaded.runtime, loaded.tls, wall_ms})) {}

Reloader::~Reloader() = default;

// --- what waits ---

template <class Then>
bool Reloader::takes(const Then& then) {
    if (queue_.waiting() < most_waiting) return true;
    ++totals_.busy;
    then(failure(DeskError{503, "too many reloads wait for their turn; try again"}));
    return false;
}

void Reloader::reload(ThenReloaded then) {
    if (!takes(then)) return;
    queue_.add({[this, then] { begin_reload(then); }, [then] { then(stopping()); }});
}

void Reloader::forecast(ThenForecast then) {
    if (!takes(then)) return;
    queue_.add({[this, then] { begin_forecast(then); }, [then] { then(stopping()); }});
}

void Reloader::hang_up() {
    if (std::exchange(signalled_, true)) return;
    const auto begin = [this] {
        signalled_ = false;
        begin_reload([](const auto&) {});
    };
    queue_.add({begin, [] {}});
}

void Reloader::stop() {
    queue_.stop();
    if (const auto give_up = std::exchange(give_up_, nullptr)) give_up();
}

// --- loading ---

// `arrived` is called here when the helper thread is ready, unless the daemon stops meanwhile.
template <class Then, class Arrived>
void Reloader::load(const Then& then, bool preview, Arrived arrived) {
    loading_ = true;
    give_up_ = [then] { then(stopping()); };
    const auto ready = [this, arrived](const std::shared_ptr<Loaded>& loaded) {
        loading_ = false;
        if (queue_.stopped()) return queue_.end();
        give_up_ = nullptr;
        arrived(loaded);
    };
    helper_.post([this, preview, ready, now = now_, file = started_.file] {
        auto loaded = std::make_shared<Loaded>();
        loaded->load(file, now->runtime->generation + 1, parts_.identity_services);
        if (loaded->good()) preview ? loaded->foretell(*now) : loaded->compare(*now);
        parts_.calls.post([ready, loaded] { ready(loaded); });
    });
}

void Reloader::begin_reload(const ThenReloaded& then) {
    notify_reloading();
    load(then, false, [this, then](const std::shared_ptr<Loaded>& loaded) { arrived(loaded, then); });
}

void Reloader::arrived(const std::shared_ptr<Loaded>& loaded, const ThenReloaded& then) {
    if (!loaded->good()) return refuse(*loaded, then);
    auto opened = parts_.listeners.prepare(*loaded->settings, loaded->runtime.tls);
    if (!opened) {
        loaded->add_problem(opened.error().text);
        return refuse(*loaded, then);
    }
    parts_.listeners.offer(**opened, [this, loaded, then, next = *opened](const Status& ready) {
        if (queue_.stopped() || !ready) parts_.listeners.give_up(*next);
        if (queue_.stopped()) {
            then(stopping());
            return queue_.end();
        }
        if (!ready) {
            loaded->add_problem(ready.error());
            return refuse(*loaded, then);
        }
        loaded->listeners = next->changes;
        put_in_force(*loaded, *next);
        // Whoever is told that the reload is done relies on it. Each worker takes the policy at its next
        // turn, which is a matter of microseconds; one that is stuck is not waited for.
        parts_.questions.ask([](size_t, Gateway&, Now) { return true; }, reload_wait_ms,
                             [this, loaded, then](bool) { end_reload(log_done(*loaded), then); });
    });
}

void Reloader::refuse(const Loaded& loaded, const ThenReloaded& then) {
    log_event(Level::error, "reload-refused",
              "the reload was refused, and the earlier configuration is in force",
              {{"errors", std::to_string(loaded.errors)}});
    if (loaded.settings) {
        log_refusal(loaded.runtime, started_.log_format);
    } else {
        log_lines("reload-diagnostic", loaded.text);
    }
    end_reload({false, loaded.text, {}}, then);
}

void Reloader::put_in_force(const Loaded& loaded, NextListeners& listeners) {
    retired_.push_back(now_->runtime);
    now_ = std::make_shared<const InForce>(InForce{*loaded.settings, loaded.settings->origins,
                                                   loaded.runtime.runtime, loaded.runtime.tls,
                                                   read_clocks().wall_ms});
    parts_.in_force();
    parts_.identity_services.refresh(read_clocks());
    parts_.listeners.put_in_force(listeners, now_->tls);
    for (const auto& worker : parts_.workers) worker->replace(now_->runtime, parts_.listeners.sides());
}

// What came into force by reloads since is no reason for a restart.
std::vector<std::string> Reloader::restart_needed_for(const Settings& next) const {
    Settings now = started_;
    now.listeners = parts_.listeners.settings();
    return restart_needed(now, next);
}

ReloadReport Reloader::log_done(const Loaded& loaded) const {
    const dsl::Policy& policy = *now_->runtime->policy;
    set_log_level(now_->settings.log_level);
    set_log_rate(static_cast<unsigned>(now_->settings.log_rate));
    log_event(Level::info, "reloaded",
              loaded.same ? "the configuration was read again; the policy means the same"
                          : "the new configuration is in force",
              {{"generation", std::to_string(now_->runtime->generation)},
               {"policy", dsl::hash_text(policy.hash)},
               {"files", std::to_string(policy.files)},
               {"routes", std::to_string(policy.routes.size())}});
    log_warnings(loaded.runtime);
    std::vector<std::string> changes = loaded.listeners.lines();
    changes.insert(changes.end(), loaded.changes.begin(), loaded.changes.end());
    log_changes(changes);
    ReloadReport report{true,
                        loaded.text,
                        restart_needed_for(*loaded.settings),
                        loaded.same,
                        changes,
                        loaded.difference,
                        loaded.listeners};
    for (const std::string& name : report.restart) {
        log_event(Level::warn, "restart-needed", name + " has changed and takes effect at the next start",
                  {{"setting", name}});
    }
    return report;
}

// A service manager that was told of the end hears of nothing else any more.
void Reloader::end_reload(const ReloadReport& report, const ThenReloaded& then) {
    totals_.last_refused = !report.done;
    (report.done ? totals_.done : totals_.refused) += 1;
    history_.add({read_clocks().wall_ms, report.done, report.same, now_->runtime->generation,
                  dsl::hash_text(now_->runtime->policy->hash), report.text, report.changes,
                  report.difference});
    if (!queue_.stopped()) notify_ready(parts_.status());
    then(report);
    queue_.end();
}

// --- the dry run ---

void Reloader::begin_forecast(const ThenForecast& then) {
    load(then, true, [this, then](const std::shared_ptr<Loaded>& loaded) {
        if (loaded->good()) {
            auto listeners = parts_.listeners.foresee(*loaded->settings, loaded->runtime.tls);
            if (listeners) {
                loaded->listeners = std::move(*listeners);
                return survey(loaded, then);
            }
            loaded->add_problem(listeners.error().text);
        }
        then(ForecastReport{false, loaded->text, {}, {}});
        queue_.end();
    });
}

void Reloader::survey(const std::shared_ptr<Loaded>& loaded, const ThenForecast& then) {
    const auto impacts = std::make_shared<std::vector<ReloadImpact>>(parts_.workers.size());
    parts_.questions.ask(
        [impacts, next = loaded->runtime.runtime](size_t worker, Gateway& gateway, Now now) {
            return gateway.survey(*next, (*impacts)[worker], now);
        },
        forecast_wait_ms,
        [this, impacts, loaded, then](bool all) {
            ForecastReport report{true, loaded->text, restart_needed_for(*loaded->settings),
                                  std::move(loaded->preview), loaded->listeners};
            const std::vector<std::string> lines = loaded->listeners.lines();
            report.forecast.beside.insert(report.forecast.beside.begin(), lines.begin(), lines.end());
            report.forecast.impact_known = all;
            if (all) {
                for (const ReloadImpact& impact : *impacts) report.forecast.impact.add(impact);
            }
            then(report);
            retired_.push_back(loaded->runtime.runtime);
            queue_.end();
        });
}

// --- what there is to tell of it ---

void Reloader::tell(Snapshot& snapshot) const {
    snapshot.policy_directory = now_->settings.policy_directory;
    snapshot.generation = now_->runtime->generation;
    snapshot.loaded_wall_ms = now_->loaded_wall_ms;
    snapshot.policy_hash = dsl::hash_text(now_->runtime->policy->hash);
    snapshot.shadow = now_->runtime->shadow != nullptr;
    snapshot.policy_files = now_->runtime->policy->files;
    for (const auto& route : now_->runtime->policy->routes) snapshot.routes.push_back(route->name);
    for (const auto& [number, alias] : now_->runtime->policy->aliases) {
        const std::string until =
            alias.until ? dsl::print(dsl::Value(*alias.until), {dsl::Kind::date, dsl::Shape::one}) : "";
        snapshot.aliases.push_back(
            {alias.address, now_->runtime->policy->routes[alias.route]->name, alias.stream, until});
    }
    std::sort(snapshot.aliases.begin(), snapshot.aliases.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    snapshot.tokens = now_->runtime->policy->tokens.size();
    snapshot.static_files = now_->runtime->files.size();
    snapshot.reloads_done = totals_.done;
    snapshot.reloads_refused = totals_.refused;
    snapshot.reloads_busy = totals_.busy;
    snapshot.last_reload_refused = totals_.last_refused;
    for (const auto& side : now_->tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates())
            snapshot.certificates.insert_or_assign(certificate.path, certificate.expires_s);
    }
}

// --- what is past ---

void Reloader::forget_retired() {
    const auto first = std::partition(retired_.begin(), retired_.end(),
                                      [](const auto& runtime) { return runtime.use_count() > 1; });
    if (first == retired_.end()) return;
    const std::vector<std::shared_ptr<const Runtime>> gone(std::make_move_iterator(first),
                                                           std::make_move_iterator(retired_.end()));
    retired_.erase(first, retired_.end());
    helper_.post([gone] {});
}

}  // namespace wayleave
