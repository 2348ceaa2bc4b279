// Who watches which connections: by `wayleave trace`, whose events wait here until they are fetched, or by a
// filter of the log. Bounded. Thread-safe: the workers write, the control socket reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/event.h"
#include "daemon/ops/log/event_record.h"
#include "daemon/session/trace_filter.h"

namespace wayleave {

class TraceBook {
  public:
    static constexpr size_t most_watches = 16;             // of both kinds
    static constexpr size_t most_records = 2048;           // that wait for one trace
    static constexpr int64_t forgotten_after_ms = 15'000;  // that nobody has fetched from

    // Its number; nothing: too many are open. Steady time.
    [[nodiscard]] std::optional<uint64_t> begin_trace(TraceFilter filter, int64_t now_ms);
    struct Fetched {
        std::vector<EventRecord> records;
        uint64_t lost = 0;  // for which there was no room, since the last time
    };
    // Nothing: there is no such trace.
    [[nodiscard]] std::optional<Fetched> fetch(uint64_t trace, int64_t now_ms);
    void end_trace(uint64_t trace);
    void forget();  // memory is short: what waits is lost, and counted

    struct LogFilter {
        TraceFilter filter;
        int64_t until_ms = 0;  // steady time
    };
    [[nodiscard]] bool add_log_filter(TraceFilter filter, int64_t until_ms);
    void forget_log_filters();
    [[nodiscard]] std::vector<LogFilter> log_filters() const;

    // What the time has ended goes. True: others are watched than before.
    bool tick(int64_t now_ms);
    // For the workers.
    [[nodiscard]] std::shared_ptr<const TraceFilters> filters() const;

    // True: a filter of the log wants it, too. Any thread.
    bool take(const Event& event, const EventRecord& record);

  private:
    struct Trace {
        TraceFilter filter;
        int64_t fetched_ms = 0;
        std::deque<EventRecord> records = {};
        uint64_t lost = 0;
    };
    [[nodiscard]] bool full() const { return traces_.size() + log_filters_.size() >= most_watches; }

    mutable std::mutex mutex_;
    std::map<uint64_t, Trace> traces_;
    std::vector<LogFilter> log_filters_;
    uint64_t numbers_ = 0;
};

}  // namespace wayleave
