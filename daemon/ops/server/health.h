// Whether the daemon is well: the workers' loops, the rounds of the canary, the memory, the certificates; and
// what the service manager's watchdog is told of it. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/now.h"
#include "daemon/edge/canary.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/tls_side.h"
#include "daemon/ops/control/worker_questions.h"
#include "daemon/ops/server/memory_budget.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

class Health {
  public:
    using TlsSides = std::vector<std::shared_ptr<const TlsSide>>;

    // Borrowed, and complete: the workers are there.
    Health(const Workers& workers, Canary& canary, ConnectionQuota& quota, Now start);

    // From here on the watchdog is fed, if there is one.
    void begin(Loop& loop, Now now);
    // Every second. `tls`: the certificates in force.
    void look(const TlsSides& tls, Now now);
    void set_budget(size_t bytes) { memory_.set_budget(bytes); }

    void tell(Snapshot& snapshot) const;

  private:
    // How a worker's loop was seen last.
    struct Pulse {
        uint64_t turns = 0;
        int64_t since_ms = 0;
        bool stalled = false;
    };

    void check_pulses(int64_t now_ms);
    [[nodiscard]] bool stalled() const;
    void feed_watchdog();
    void tell_of_canary();
    void look_at_memory(int64_t now_ms);
    void tell_of_certificates(const TlsSides& tls, Now now);

    const Workers& workers_;
    Canary& canary_;
    ConnectionQuota& quota_;
    std::vector<Pulse> pulses_;
    MemoryBudget memory_;
    std::unique_ptr<Timer> watchdog_;
    int64_t trimmed_ms_ = 0;
    int64_t certificates_at_ms_ = 0;  // steady time
    bool told_stuck_ = false;
};

}  // namespace wayleave
