// How what core and edge have to say becomes a line of the log.
#pragma once

#include "daemon/edge/report.h"
#include "daemon/ops/log/event_record.h"

namespace wayleave {

// Who hears of events beside the log. Any thread.
class EventListener {
  public:
    virtual ~EventListener() = default;
    virtual void refused(EventRecord record) = 0;
    // What a connection does that somebody watches. True: the log shall have it, too.
    [[nodiscard]] virtual bool traced(const Event& event, const EventRecord& record) = 0;
};

// Values that are secret are written as a hash with a key that is drawn here: in the lines of one run of the
// daemon the same value can be recognised, and nobody who tries names finds out which it is. Thread-safe.
// `listener` is borrowed.
[[nodiscard]] EdgeReport make_event_report(EventListener* listener = nullptr);

}  // namespace wayleave
