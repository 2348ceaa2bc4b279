// Asks every worker something on its own thread, a little at a time between its other work, and waits for all
// of them. Main thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/edge/worker.h"
#include "daemon/session/gateway.h"

namespace wayleave {

// Called again and again on the worker's thread until it is true. What it refers to must outlive the workers,
// or belong to it: who is late is not waited for, and still works.
using WorkerQuestion = std::function<bool(size_t worker, Gateway& gateway, Now now)>;

// False if time ran out before all had answered.
[[nodiscard]] bool ask_workers(const std::vector<std::unique_ptr<Worker>>& workers,
                               const WorkerQuestion& question, int64_t patience_ms);

}  // namespace wayleave
