#include "daemon/ops/control/trace_book.h"

#include <algorithm>
#include <utility>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

// As the worker knows it: a secret name is never matched.
struct OwnedSubject {
    std::string user;
    std::string route;
    std::string rule;
    uint64_t session = 0;

    [[nodiscard]] TraceFilter::Subject view() const { return {user, route, session, rule}; }
};

OwnedSubject subject_of(const Event& event) {
    OwnedSubject out;
    for (const EventField& field : event.fields) {
        if (field.key == "user" && !field.secret) out.user = field.value;
        if (field.key == "route") out.route = field.value;
        if (field.key == "rule") out.rule = field.value;
        if (field.key == "session") out.session = parse_session(field.value).value_or(0);
    }
    return out;
}

}  // namespace

std::optional<uint64_t> TraceBook::begin_trace(TraceFilter filter, int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    if (full()) return std::nullopt;
    traces_.emplace(++numbers_, Trace{std::move(filter), now_ms});
    return numbers_;
}

std::optional<TraceBook::Fetched> TraceBook::fetch(uint64_t trace, int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const auto found = traces_.find(trace);
    if (found == traces_.end()) return std::nullopt;
    Trace& one = found->second;
    one.fetched_ms = now_ms;
    Fetched out{{std::make_move_iterator(one.records.begin()), std::make_move_iterator(one.records.end())},
                std::exchange(one.lost, 0)};
    one.records.clear();
    return out;
}

void TraceBook::end_trace(uint64_t trace) {
    const std::lock_guard lock(mutex_);
    traces_.erase(trace);
}

void TraceBook::forget() {
    const std::lock_guard lock(mutex_);
    for (auto& [number, trace] : traces_) {
        trace.lost += trace.records.size();
        trace.records = {};
    }
}

bool TraceBook::add_log_filter(TraceFilter filter, int64_t until_ms) {
    const std::lock_guard lock(mutex_);
    if (full()) return false;
    log_filters_.push_back({std::move(filter), until_ms});
    return true;
}

void TraceBook::forget_log_filters() {
    const std::lock_guard lock(mutex_);
    log_filters_.clear();
}

std::vector<TraceBook::LogFilter> TraceBook::log_filters() const {
    const std::lock_guard lock(mutex_);
    return log_filters_;
}

bool TraceBook::tick(int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    const size_t traces = std::erase_if(
        traces_, [&](const auto& item) { return now_ms - item.second.fetched_ms > forgotten_after_ms; });
    const size_t filters =
        std::erase_if(log_filters_, [&](const LogFilter& filter) { return filter.until_ms <= now_ms; });
    return traces + filters > 0;
}

std::shared_ptr<const TraceFilters> TraceBook::filters() const {
    const std::lock_guard lock(mutex_);
    auto out = std::make_shared<TraceFilters>();
    for (const auto& item : traces_) out->push_back(item.second.filter);
    for (const LogFilter& filter : log_filters_) out->push_back(filter.filter);
    return out;
}

bool TraceBook::take(const Event& event, const EventRecord& record) {
    const OwnedSubject owned = subject_of(event);
    const TraceFilter::Subject subject = owned.view();
    const std::lock_guard lock(mutex_);
    for (auto& [number, trace] : traces_) {
        if (!trace.filter.fits(subject)) continue;
        if (trace.records.size() < most_records) {
            trace.records.push_back(record);
        } else {
            ++trace.lost;
        }
    }
    return std::any_of(log_filters_.begin(), log_filters_.end(),
                       [&](const LogFilter& one) { return one.filter.fits(subject); });
}

}  // namespace wayleave
