// What time does to sessions: silence, age and expiry end them, a stopping server ends all. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "daemon/session/closing.h"
#include "daemon/session/drain.h"
#include "daemon/session/grants.h"
#include "daemon/session/http_front.h"
#include "daemon/session/rechecks.h"
#include "daemon/session/reload.h"
#include "daemon/session/vouchers.h"

namespace wayleave {

class SessionClock {
  public:
    SessionClock(const SessionTable& sessions, const Bindings& bindings, Deadlines& deadlines, Reload& reload,
                 Grants& grants, Vouchers& vouchers, Rechecks& rechecks, Closing& closing, HttpFront& http,
                 Outbox& outbox, std::mt19937_64& random)
        : sessions_(sessions),
          bindings_(bindings),
          deadlines_(deadlines),
          reload_(reload),
          grants_(grants),
          vouchers_(vouchers),
          rechecks_(rechecks),
          closing_(closing),
          http_(http),
          outbox_(outbox),
          random_(random) {}

    void tick(Now now);
    // No new connections; all that are there end, spread over drain_ms or at once.
    void drain(Drain drain, Now now);
    [[nodiscard]] bool draining() const { return draining_; }

  private:
    void wake(Session& session, Now now);
    void wake_open(Session& session, Now now);
    void drain_some(Now now);

    const SessionTable& sessions_;
    const Bindings& bindings_;
    Deadlines& deadlines_;
    Reload& reload_;
    Grants& grants_;
    Vouchers& vouchers_;
    Rechecks& rechecks_;
    Closing& closing_;
    HttpFront& http_;
    Outbox& outbox_;
    std::mt19937_64& random_;
    bool draining_ = false;
    size_t next_drain_ = 0;
    size_t drain_step_ = 0;
    int64_t return_within_ms_ = 0;  // when those that are sent away are asked to come again
};

}  // namespace wayleave
