// Asks every worker something on its own thread, a little at a time between its other work. Main thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "daemon/edge/worker.h"
#include "daemon/ops/control/pending_answers.h"
#include "daemon/session/gateway.h"
#include "dsl/text/result.h"

namespace wayleave {

using Workers = std::vector<std::unique_ptr<Worker>>;

// For how long they are waited for.
constexpr int64_t worker_patience_ms = 10'000;

// Written by the workers, read by who asked: on the heap, since a late worker may still write.
template <class T>
struct SharedAnswer {
    std::mutex mutex;
    T value{};
};

// Called again and again on the worker's thread until it is true. What it refers to must outlive the workers,
// or belong to it: a worker that is late is not waited for, and still works.
using WorkerQuestion = std::function<bool(size_t worker, Gateway& gateway, Now now)>;

class WorkerQuestions {
  public:
    // All are borrowed; `calls` must outlive the workers' threads.
    WorkerQuestions(Loop& loop, LoopCalls& calls, const Workers& workers)
        : calls_(calls), workers_(workers), pending_(loop, calls) {}

    // `done` is called on the loop: true if all have answered, false if time ran out before.
    void ask(const WorkerQuestion& question, int64_t patience_ms, std::function<void(bool all)> done);

    [[nodiscard]] size_t workers() const { return workers_.size(); }

  private:
    LoopCalls& calls_;
    const Workers& workers_;
    PendingAnswers<Nothing> pending_;
};

}  // namespace wayleave
