#include "daemon/core/event_log.h"

#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_events = 256;  // a turn
constexpr size_t most_repeated = 1024;
constexpr int64_t quiet_ms = 10'000;

}  // namespace

void EventLog::tell(Event event, const std::string& key, Now now, uint64_t lines) {
    if (repeated_.size() >= most_repeated) tell_of_more(now, true);
    Repeated& known = repeated_[std::string(event.name) + '\0' + key];
    if (known.count == 0) known.since_ms = now.steady_ms;
    known.lines = lines;
    if (++known.count > lines) {
        known.last = std::move(event);
        return;
    }
    put(std::move(event));
}

void EventLog::put(Event event) {
    if (out_.size() < most_events) {
        out_.push_back(std::move(event));
    } else {
        lost_.add();
    }
}

void EventLog::tick(Now now) {
    if (now.steady_ms < tick_at_ms_) return;
    tick_at_ms_ = now.steady_ms + 1000;
    tell_of_more(now, false);
}

void EventLog::tell_of_more(Now now, bool all) {
    absl::erase_if(repeated_, [&](auto& item) {
        Repeated& known = item.second;
        if (!all && now.steady_ms - known.since_ms < quiet_ms) return false;
        if (known.count <= known.lines) return true;
        const std::string more = std::to_string(known.count - known.lines);
        known.last.message += "; this is the last of " + more + " more like the line before";
        known.last.with("more", more);
        put(std::move(known.last));
        return true;
    });
}

}  // namespace wayleave
