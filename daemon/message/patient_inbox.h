// A worker's letter box that can be filled without waking the worker for each message.
#pragma once

#include "daemon/message/broker.h"

namespace wayleave {

// Any thread may call. Who pushes many at a time wakes once, behind them: a worker that is woken by the first
// one would take that alone, and stop who pushes where both share a core.
class PatientInbox : public Inbox {
  public:
    // As push(). True: its worker may sleep on until wake() is called.
    [[nodiscard]] virtual bool push_without_waking(const Publication& publication) = 0;
    virtual void wake() = 0;
};

}  // namespace wayleave
