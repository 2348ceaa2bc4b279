#include "daemon/ops/server/drainer.h"

#include <algorithm>

#include "daemon/ops/log/log.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr int64_t step_ms = 500;
constexpr size_t late_steps = 20;
constexpr uint16_t going_away = 1001;  // RFC 6455, 7.4.1

}  // namespace

void Drainer::begin(int64_t over_ms) {
    draining_ = true;
    steps_ = static_cast<size_t>(std::max<int64_t>(1, over_ms / step_ms));
    left_ = steps_ + late_steps;
    progress_ = std::make_shared<std::vector<Progress>>(workers_.workers());
    log_event(Level::info, "draining",
              "an operator drains this daemon: it is not ready, and its clients are sent away",
              {{"seconds", std::to_string(over_ms / 1000)}});
    timer_.every(step_ms);
    step();
}

void Drainer::undo() {
    if (!draining_) return;
    draining_ = false;
    timer_.stop();
    log_event(Level::info, "drain-undone", "an operator has ended the drain: this daemon is ready again");
}

// A worker that is late does what it missed with its next step. Each client gets a time of its own to come
// again.
void Drainer::step() {
    if (left_-- == 0) return timer_.stop();
    workers_.ask(
        [progress = progress_, steps = steps_](size_t worker, Gateway& gateway, Now now) {
            Progress& mine = (*progress)[worker];
            if (mine.done) return true;
            if (mine.a_step == 0) mine.a_step = gateway.sockets() / steps + 1;
            const auto back_ms = static_cast<int64_t>(steps) * step_ms / 4;
            const Farewell farewell{going_away, "drain", "this server is being drained", back_ms};
            mine.done = gateway.end(
                mine.next, mine.a_step, [](const OpenConnection&) { return true; }, farewell, now);
            return true;
        },
        worker_patience_ms, [](bool) {});
}

}  // namespace wayleave
