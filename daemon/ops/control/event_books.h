// What the control socket keeps of the events: the last refusals, and what is watched. Any thread.
#pragma once

#include <utility>

#include "daemon/ops/control/refusal_book.h"
#include "daemon/ops/control/trace_book.h"
#include "daemon/ops/log/report_event.h"

namespace wayleave {

class EventBooks final : public EventListener {
  public:
    void refused(EventRecord record) override { refusals.add(std::move(record)); }
    [[nodiscard]] bool traced(const Event& event, const EventRecord& record) override {
        return traces.take(event, record);
    }

    // Memory is short.
    void forget() {
        refusals.forget();
        traces.forget();
    }

    RefusalBook refusals;
    TraceBook traces;
};

}  // namespace wayleave
