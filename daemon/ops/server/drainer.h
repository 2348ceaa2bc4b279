// `wayleave drain`: the clients go to other daemons, and this one stays. `/readyz` answers 503, so that a
// balancer sends nobody new; those who are there are told to come again, spread over a while. Main thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/edge/loop.h"
#include "daemon/ops/control/worker_questions.h"

namespace wayleave {

class Drainer {
  public:
    // Both are borrowed.
    Drainer(Loop& loop, WorkerQuestions& workers) : workers_(workers), timer_(loop, [this] { step(); }) {}

    // Those who are open now are gone after `over_ms`. Called again, it begins anew.
    void begin(int64_t over_ms);
    // Ready again; who has not been sent away stays.
    void undo();
    [[nodiscard]] bool draining() const { return draining_; }

  private:
    // Of one drain, and of one worker each; the worker's own thread writes it.
    struct Progress {
        size_t next = 0;
        size_t a_step = 0;  // connections; 0: not known yet
        bool done = false;
    };
    void step();

    WorkerQuestions& workers_;
    Timer timer_;
    bool draining_ = false;
    size_t steps_ = 1;
    size_t left_ = 0;  // of them, and some for workers that are late
    std::shared_ptr<std::vector<Progress>> progress_;
};

}  // namespace wayleave
