// The configuration in force, and how another comes into force. A thread of its own loads, tests and
// compares; what it found is put in force here, on the main thread, which waits neither for it nor for the
// workers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/decision/runtime.h"
#include "daemon/edge/helper_thread.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/edge/tls_side.h"
#include "daemon/ops/control/control.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/server/job_queue.h"
#include "daemon/ops/server/reload_history.h"
#include "daemon/ops/server/snapshot.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

class IdentityServices;
class LiveListeners;
struct NextListeners;

// One value, replaced as a whole.
struct InForce {
    ReloadableSettings settings;
    std::vector<SettingOrigin> origins;  // of all settings, as the files have them
    std::shared_ptr<const Runtime> runtime;
    std::vector<std::shared_ptr<const TlsSide>> tls;  // of each listener, or null
    int64_t loaded_wall_ms = 0;
};

class Reloader {
  public:
    struct Parts {  // borrowed
        IdentityServices& identity_services;
        const Workers& workers;
        WorkerQuestions& questions;
        LoopCalls& calls;
        LiveListeners& listeners;
        // Another configuration is in force, and the workers are not told yet.
        std::function<void()> in_force;
        // A line for the service manager.
        std::function<std::string()> status;
    };
    Reloader(Parts parts, const Settings& settings, const LoadedRuntime& loaded, int64_t wall_ms);
    ~Reloader();
    Reloader(const Reloader&) = delete;
    Reloader& operator=(const Reloader&) = delete;

    // These wait for those before them; 503 if too many wait, or the daemon stops.
    void reload(ThenReloaded then);
    void forecast(ThenForecast then);
    // A signal: one more reload after those that wait. Signals that come before it begins are the same one.
    void hang_up();

    // No configuration comes into force any more. What waits, and what is being loaded, is refused.
    void stop();
    // The thread is at work. It cannot be interrupted.
    [[nodiscard]] bool loading() const { return loading_; }

    // Policies that no worker uses any more go. Every second or so.
    void forget_retired();

    [[nodiscard]] const InForce& now() const { return *now_; }
    void tell(Snapshot& snapshot) const;
    [[nodiscard]] const ReloadHistory& history() const { return history_; }

  private:
    struct Loaded;
    struct Totals {
        uint64_t done = 0;
        uint64_t refused = 0;
        uint64_t busy = 0;  // not tried, dry runs among them, since too many waited
        bool last_refused = false;
    };

    template <class Then>
    [[nodiscard]] bool takes(const Then& then);
    template <class Then, class Arrived>
    void load(const Then& then, bool preview, Arrived arrived);
    void begin_reload(const ThenReloaded& then);
    void begin_forecast(const ThenForecast& then);
    void arrived(const std::shared_ptr<Loaded>& loaded, const ThenReloaded& then);
    void refuse(const Loaded& loaded, const ThenReloaded& then);
    void survey(const std::shared_ptr<Loaded>& loaded, const ThenForecast& then);
    void put_in_force(const Loaded& loaded, NextListeners& listeners);
    [[nodiscard]] std::vector<std::string> restart_needed_for(const Settings& next) const;
    [[nodiscard]] ReloadReport log_done(const Loaded& loaded) const;
    void end_reload(const ReloadReport& report, const ThenReloaded& then);

    const Parts parts_;
    const Settings started_;
    std::shared_ptr<const InForce> now_;
    // Those that were in force or only looked at, as long as a worker may still use them: to take a large
    // policy apart takes milliseconds, which are not a worker's.
    std::vector<std::shared_ptr<const Runtime>> retired_;
    JobQueue queue_;
    bool signalled_ = false;  // a signal's reload waits
    bool loading_ = false;
    std::function<void()> give_up_;  // tells who waits for the load under way that nothing comes of it
    Totals totals_;
    ReloadHistory history_;
    HelperThread helper_{"wayleave-loader"};
};

}  // namespace wayleave
