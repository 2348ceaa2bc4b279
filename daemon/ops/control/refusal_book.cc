#include "daemon/ops/control/refusal_book.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "daemon/decision/counting_key.h"
#include "daemon/session/trace_filter.h"

namespace wayleave {
namespace {

// A record in the three tables, beside what it holds itself.
constexpr size_t bookkeeping = 400;

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

// As limits and bans count: a user, or else the network of an address.
std::string source_of(const EventRecord& record) {
    const std::string_view user = record.field("user");
    if (!user.empty()) return std::string(user);
    const auto address = dsl::parse_address(record.field("ip"));
    return address ? counted_network(*address).text() : std::string(record.field("ip"));
}

std::string cause_of(const EventRecord& record) {
    const std::string_view rule = record.field("rule");
    const std::string_view why = rule.empty() ? record.field("reason") : rule;
    return record.event + '\0' + std::string(record.field("route")) + '\0' + std::string(why);
}

// That an event says of itself: the log has gathered them.
uint64_t more_of(const EventRecord& record) {
    const std::string_view text = record.field("more");
    uint64_t more = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), more);
    return more;
}

EventRecord shown(const EventRecord& kept, uint64_t more) {
    EventRecord out = kept;
    std::erase_if(out.fields, [](const auto& field) { return field.first == "more"; });
    if (more > 0) out.fields.emplace_back("more", std::to_string(more));
    return out;
}

template <class Groups>
void leave(Groups& groups, const std::string& key, const auto& kept) {
    const auto group = groups.find(key);
    const auto place = std::find(group->second.begin(), group->second.end(), kept);
    group->second.erase(place);
    if (group->second.empty()) groups.erase(group);
}

}  // namespace

uint64_t RefusalBook::Ring::add(Kept kept) {
    bytes_ += kept.bytes;
    const auto added = records_.insert(records_.end(), std::move(kept));
    Group& alike = alike_[added->source + '\0' + added->cause];
    alike.push_back(added);
    of_cause_[added->cause].push_back(added);
    Group& of_source = of_source_[added->source];
    of_source.push_back(added);
    if (alike.size() > most_alike) fold(alike);
    uint64_t pushed_out = 0;
    if (of_source.size() > most_of_source) {
        drop(of_source.front());
        ++pushed_out;
    }
    while (records_.size() > most_records || (bytes_ > most_bytes && records_.size() > 1)) {
        const auto most =
            std::max_element(of_cause_.begin(), of_cause_.end(),
                             [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
        drop(most->second.front());
        ++pushed_out;
    }
    return pushed_out;
}

// The oldest is counted with the one that followed it.
void RefusalBook::Ring::fold(Group& alike) {
    const auto oldest = alike.front();
    alike[1]->more += 1 + oldest->more;
    drop(oldest);
}

void RefusalBook::Ring::drop(Records::iterator kept) {
    leave(alike_, kept->source + '\0' + kept->cause, kept);
    leave(of_cause_, kept->cause, kept);
    leave(of_source_, kept->source, kept);
    bytes_ -= kept->bytes;
    records_.erase(kept);
}

void RefusalBook::add(EventRecord record) {
    const std::lock_guard lock(mutex_);
    Kept kept{++numbers_, std::move(record), 0, 0, {}, {}};
    kept.source = source_of(kept.record);
    kept.cause = cause_of(kept.record);
    // It is one of them.
    kept.more = std::max<uint64_t>(more_of(kept.record), 1) - 1;
    kept.bytes = kept.record.bytes() + 3 * (kept.source.size() + kept.cause.size()) + bookkeeping;
    Ring& ring = kept.record.field("user").empty() ? anonymous_ : known_;
    forgotten_ += ring.add(std::move(kept));
}

void RefusalBook::forget() {
    const std::lock_guard lock(mutex_);
    forgotten_ += known_.records().size() + anonymous_.records().size();
    known_ = {};
    anonymous_ = {};
}

RefusalBook::Found RefusalBook::find(std::string_view about, size_t most) const {
    const std::lock_guard lock(mutex_);
    Found out;
    auto known = known_.records().rbegin();
    auto anonymous = anonymous_.records().rbegin();
    while (known != known_.records().rend() || anonymous != anonymous_.records().rend()) {
        const bool of_known = anonymous == anonymous_.records().rend() ||
                              (known != known_.records().rend() && known->number > anonymous->number);
        const Kept& kept = of_known ? *known++ : *anonymous++;
        out.since_wall_ms = kept.record.wall_ms;
        if (!is_about(kept.record, about)) continue;
        if (++out.all <= most) out.records.push_back(shown(kept.record, kept.more));
    }
    return out;
}

RefusalBook::Totals RefusalBook::totals() const {
    const std::lock_guard lock(mutex_);
    return {known_.bytes() + anonymous_.bytes(), forgotten_};
}

}  // namespace wayleave
