#include "daemon/ops/server/health.h"

#include <malloc.h>

#include <algorithm>
#include <string>

#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/notify.h"

namespace wayleave {

namespace {

constexpr int64_t stall_ms = 1000;
constexpr int64_t trim_every_ms = 2000;

}  // namespace

Health::Health(const Workers& workers, Canary& canary, ConnectionQuota& quota, Now start)
    : workers_(workers),
      canary_(canary),
      quota_(quota),
      pulses_(workers.size(), Pulse{0, start.steady_ms, false}) {}

void Health::begin(Loop& loop, Now now) {
    canary_.probe(now, steady_us());
    watchdog_ = std::make_unique<Timer>(loop, [this] { feed_watchdog(); });
    if (const int64_t interval = watchdog_interval_ms(); interval > 0) watchdog_->every(interval);
}

void Health::look(const TlsSides& tls, Now now) {
    check_pulses(now.steady_ms);
    canary_.probe(now, steady_us());
    tell_of_canary();
    look_at_memory(now.steady_ms);
    tell_of_certificates(tls, now);
}

void Health::tell(Snapshot& snapshot) const {
    snapshot.healthy = !stalled();
    snapshot.canary = canary_.report(steady_us());
    snapshot.memory_used = memory_.used();
    snapshot.memory_budget = memory_.budget();
    snapshot.memory_state = memory_.state();
}

bool Health::stalled() const {
    return std::any_of(pulses_.begin(), pulses_.end(), [](const Pulse& pulse) { return pulse.stalled; });
}

void Health::look_at_memory(int64_t now_ms) {
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
    if (state == MemoryState::ample || now_ms - trimmed_ms_ < trim_every_ms) return;
    trimmed_ms_ = now_ms;
    malloc_trim(0);
}

void Health::check_pulses(int64_t now_ms) {
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
        } else if (!pulse.stalled && now_ms - pulse.since_ms >= stall_ms) {
            pulse.stalled = true;
            log_event(Level::error, "worker-stalled", "a worker's loop does not turn; its clients wait",
                      {{"worker", std::to_string(i)}});
        }
    }
}

// Once, when delivery stops, and once when it goes on.
void Health::tell_of_canary() {
    const CanaryReport report = canary_.report(steady_us());
    if (report.ready != told_stuck_ || report.rounds == 0) return;
    told_stuck_ = !report.ready;
    if (report.ready)
        return log_event(Level::warn, "delivery-resumed", "publications come to every worker again");
    for (const std::string& one : report.stuck) log_event(Level::error, "delivery-stuck", one);
}

// Once a day, for those that are renewed by nobody.
void Health::tell_of_certificates(const TlsSides& tls, Now now) {
    constexpr int64_t day_ms = 86'400'000;
    if (now.steady_ms < certificates_at_ms_) return;
    const bool at_start = certificates_at_ms_ == 0;  // loading has told of them
    certificates_at_ms_ = now.steady_ms + day_ms;
    if (at_start) return;
    for (const auto& side : tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates()) {
            const std::string text = ending_soon(certificate, now.wall_ms);
            if (!text.empty()) log_event(Level::warn, "certificate-expires", text);
        }
    }
}

// Not fed while a worker stands still: then the service manager ends the process and starts a new one.
void Health::feed_watchdog() {
    check_pulses(read_clocks().steady_ms);
    if (!stalled()) notify_watchdog();
}

}  // namespace wayleave
