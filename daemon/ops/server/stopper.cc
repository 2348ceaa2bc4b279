#include "daemon/ops/server/stopper.h"

#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "daemon/base/now.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/notify.h"

namespace wayleave {

namespace {

constexpr int64_t drain_check_ms = 100;
constexpr size_t drained_at_once = 100;  // fewer connections than this need no spreading
constexpr int64_t extend_every_ms = 1000;
constexpr int64_t extend_ms = 5000;
constexpr int64_t drain_grace_ms = 2000;  // for the last bytes, beyond what the settings grant

}  // namespace

Stopper::Stopper(Parts parts) : parts_(std::move(parts)), timer_(parts_.loop, [this] { look(); }) {}

void Stopper::terminate(const char* signal) {
    if (stopping_) {
        log_event(Level::warn, "stopped", std::string(signal) + " again: ending at once");
        flush_log();
        parts_.clean_up();
        _exit(EX_OK);
    }
    begin(std::string("on ") + signal, false);
}

void Stopper::begin(const std::string& why, bool successor) {
    if (std::exchange(stopping_, true)) return;
    parts_.reloader.stop();
    log_event(Level::info, "stopping", "stopping " + why,
              {{"sockets", std::to_string(parts_.quota.inside())}});
    notify_stopping(parts_.status());
    parts_.close_listeners();
    const bool at_once = parts_.quota.inside() < drained_at_once;
    for (const auto& worker : parts_.workers) worker->drain({at_once, successor});
    const ReloadableSettings& settings = parts_.reloader.now().settings;
    const int64_t patience = settings.drain.count() + settings.close_timeout.count() + drain_grace_ms;
    until_ms_ = read_clocks().steady_ms + patience;
    timer_.every(drain_check_ms);
}

void Stopper::look() {
    const int64_t now_ms = read_clocks().steady_ms;
    const bool done = std::all_of(parts_.workers.begin(), parts_.workers.end(),
                                  [](const auto& worker) { return worker->drained(); });
    if (!done && now_ms < until_ms_) {
        if (now_ms - extended_ms_ < extend_every_ms) return;
        extended_ms_ = now_ms;
        return notify_extend_timeout(extend_ms);
    }
    // It cannot be interrupted; a second signal, or the service manager's patience, puts an end to it.
    if (parts_.reloader.loading()) return;
    if (!done) {
        log_event(Level::warn, "drain-incomplete", "connections are left and are cut off",
                  {{"sockets", std::to_string(parts_.quota.inside())}});
    }
    parts_.loop.stop();
}

}  // namespace wayleave
