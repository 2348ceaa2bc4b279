// When each session is to be looked at next: what it waits for, and until when. One thread.
#pragma once

#include <cstdint>

#include "daemon/base/now.h"
#include "daemon/base/timer_wheel.h"
#include "daemon/session/bindings.h"
#include "daemon/session/session_table.h"

namespace wayleave {

class Deadlines {
  public:
    Deadlines(const SessionTable& sessions, const Bindings& bindings)
        : sessions_(sessions), bindings_(bindings) {}

    // After whatever may have brought its next deadline nearer.
    void reschedule(Session& session, Now now);
    // Calls `wake` for each session whose deadline has come. It is to be rescheduled then.
    template <typename Wake>
    void advance(Now now, Wake wake) {
        wheel_.advance(now.steady_ms, [&](uint64_t item) {
            Session* session = sessions_.find(unpack(item));
            // An entry that an earlier one has replaced finds a later wake_ms, and is nothing.
            if (session && session->wake_ms <= now.steady_ms) wake(*session);
        });
    }

    // When the request that a connection brings must be complete and answered: steady time.
    [[nodiscard]] int64_t request_by(const Session& session) const;
    // Why an open session has been silent for too long; null: it has not.
    [[nodiscard]] const char* why_silent(const Session& session, Now now) const;
    // Time does not pass for a session that is not read from: it may have said something long ago.
    static void excuse(Session& session, Now now);

  private:
    // When the message that has begun must be whole: steady time.
    [[nodiscard]] int64_t complete_by(const Session& session) const;
    // A ping is on its way, and nothing was heard since.
    [[nodiscard]] static bool awaits_pong(const Session& session);
    [[nodiscard]] int64_t next_wake(const Session& session, Now now) const;

    const SessionTable& sessions_;
    const Bindings& bindings_;
    TimerWheel wheel_;
};

}  // namespace wayleave
