#include "daemon/ops/control/refusal_book.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/session/trace_filter.h"

namespace wayleave {
namespace {

bool is_about(const EventRecord& record, std::string_view about) {
    constexpr std::array names{"session", "user", "ip", "route", "decision", "rule"};
    if (about.empty()) return true;
    const bool named = std::any_of(names.begin(), names.end(),
                                   [&](const char* name) { return record.field(name) == about; });
    // Where several issuers are trusted, a user's name stands behind the issuer's.
    const std::string_view user = record.field("user");
    const size_t bar = user.find('|');
    if (bar != std::string_view::npos && user.substr(bar + 1) == about) return true;
    return named || is_place(about, record.field("rule"));
}

}  // namespace

void RefusalBook::add(EventRecord record) {
    const std::lock_guard lock(mutex_);
    bytes_ += record.bytes();
    records_.push_back(std::move(record));
    while (records_.size() > most_records || bytes_ > most_bytes) {
        bytes_ -= records_.front().bytes();
        records_.pop_front();
    }
}

void RefusalBook::forget() {
    const std::lock_guard lock(mutex_);
    records_ = {};
    bytes_ = 0;
}

RefusalBook::Found RefusalBook::find(std::string_view about, size_t most) const {
    const std::lock_guard lock(mutex_);
    Found out;
    if (!records_.empty()) out.since_wall_ms = records_.front().wall_ms;
    for (auto record = records_.rbegin(); record != records_.rend(); ++record) {
        if (!is_about(*record, about)) continue;
        if (++out.all <= most) out.records.push_back(*record);
    }
    return out;
}

}  // namespace wayleave
