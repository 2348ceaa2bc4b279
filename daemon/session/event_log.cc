#include "daemon/session/event_log.h"

#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_events = 256;  // a turn
constexpr size_t most_kept = 1024;
constexpr int64_t while_ms = 10'000;
constexpr uint64_t share = 50;  // lines of one source within a while

}  // namespace

void EventLog::Repeated::keep(Event event, Now now) {
    first_untold = std::move(event);
    first_untold.wall_ms = now.wall_ms;
}

void EventLog::tell(Event event, std::string_view source, std::string_view cause, Now now, uint64_t lines,
                    Finish finish) {
    Repeated& same = known(event.name, source, cause, now);
    if (is_told(same, source, lines, now)) {
        finish(event);
        put(std::move(event));
    } else if (same.untold == 1) {
        finish(event);
        same.keep(std::move(event), now);
    }
}

void EventLog::tell_of(std::string_view name, std::string_view source, std::string_view cause, Now now,
                       uint64_t lines, Make make) {
    Repeated& same = known(name, source, cause, now);
    if (is_told(same, source, lines, now)) {
        put(make());
    } else if (same.untold == 1) {
        same.keep(make(), now);
    }
}

EventLog::Repeated& EventLog::known(std::string_view name, std::string_view source, std::string_view cause,
                                    Now now) {
    if (repeated_.size() >= most_kept) tell_of_more(now, true);
    std::string key(name);
    key.append(1, '\0').append(source).append(1, '\0').append(cause);
    Repeated& same = repeated_[std::move(key)];
    if (same.told + same.untold == 0) same.since_ms = now.steady_ms;
    return same;
}

bool EventLog::is_told(Repeated& same, std::string_view source, uint64_t lines, Now now) {
    const bool told = same.told < lines && within_share(source, now);
    ++(told ? same.told : same.untold);
    return told;
}

bool EventLog::within_share(std::string_view source, Now now) {
    if (shares_.size() >= most_kept) shares_.clear();
    const auto [it, fresh] = shares_.try_emplace(source, Share{now.steady_ms, 0});
    Share& one = it->second;
    if (now.steady_ms - one.since_ms >= while_ms) one = {now.steady_ms, 0};
    if (one.told >= share) return false;
    ++one.told;
    return true;
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
    absl::erase_if(shares_,
                   [&](const auto& item) { return now.steady_ms - item.second.since_ms >= while_ms; });
}

void EventLog::forget() {
    repeated_.clear();
    shares_.clear();
}

void EventLog::tell_of_more(Now now, bool all) {
    absl::erase_if(repeated_, [&](auto& item) {
        Repeated& known = item.second;
        if (!all && now.steady_ms - known.since_ms < while_ms) return false;
        if (known.untold == 0) return true;
        const std::string more = std::to_string(known.untold);
        known.first_untold.message += "; this is one of " + more + " more like it";
        known.first_untold.with("more", more);
        put(std::move(known.first_untold));
        return true;
    });
}

}  // namespace wayleave
