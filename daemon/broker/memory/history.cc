#include "daemon/broker/memory/history.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t overhead = 256;   // of a message beside its payload: about
constexpr size_t user_bytes = 96;  // of a cursor beside the user's name: likewise

size_t size_of(const Publication& message) {
    return message->frame.bytes().size() + message->channel.size() + overhead;
}

}  // namespace

PageStart page_start(const Query& query, const Extent& extent) {
    const Position& top = extent.top;
    const uint64_t before_oldest = extent.oldest - 1;
    if (query.since) {
        const bool known = query.since->epoch == top.epoch && query.since->offset <= top.offset;
        if (known && query.since->offset >= before_oldest) return {query.since->offset, true};
        return {query.rest ? before_oldest : top.offset, false};
    }
    if (query.oldest) return {before_oldest, true};
    if (query.user.empty()) return {top.offset, true};
    // Who was never here has acknowledged nothing.
    const uint64_t from = extent.has_cursor ? extent.cursor : 0;
    return {std::max(from, before_oldest), from >= before_oldest};
}

PageStart lowest(const Query& query, const Extent& extent) {
    if (!query.above) return {extent.oldest - 1, true};
    Query upwards;
    upwards.since = query.above;
    upwards.rest = true;
    return page_start(upwards, extent);
}

void History::append(Publication message, const Retention& retention, Now now) {
    ++top_;
    touched_ms_ = now.steady_ms;
    bytes_ += size_of(message);
    kept_.push_back({std::move(message), now.steady_ms + retention.keep_ms});
    while (kept_.size() > retention.history) {
        pop();
    }
}

void History::pop() {
    bytes_ -= size_of(kept_.front().message);
    kept_.pop_front();
}

bool History::drop_oldest() {
    if (kept_.empty()) return false;
    pop();
    return true;
}

bool History::drop_user() {
    if (users_.empty()) return false;
    bytes_ -= user_bytes + users_.begin()->first.size();
    users_.erase(users_.begin());
    return true;
}

void History::expire(int64_t steady_ms) {
    while (!kept_.empty() && kept_.front().until_ms <= steady_ms) pop();
    absl::erase_if(users_, [&](const auto& item) {
        const bool over = item.second.until_ms <= steady_ms;
        if (over) bytes_ -= user_bytes + item.first.size();
        return over;
    });
}

Page History::read(const Query& query) const {
    Extent extent{top(), oldest(), false, 0};
    // What has run out is not given, though nobody has swept it away yet.
    for (const Kept& kept : kept_) {
        if (kept.until_ms > query.now.steady_ms) break;
        ++extent.oldest;
    }
    if (const auto it = users_.find(query.user); it != users_.end()) {
        extent.has_cursor = it->second.acknowledged > 0;
        extent.cursor = it->second.acknowledged;
    }
    Page page;
    page.top = top();
    uint64_t next = 0;
    uint64_t left = 0;
    if (query.reverse) {
        page.recovered = !query.since || query.since->epoch == epoch_;
        const uint64_t all = top_ + 1;
        const uint64_t before = query.since && page.recovered ? std::min(query.since->offset, all) : all;
        const PageStart floor = lowest(query, extent);
        page.recovered = page.recovered && floor.recovered;
        page.after = before;
        next = before - 1;
        left = before > floor.after + 1 ? before - floor.after - 1 : 0;
    } else {
        const PageStart start = page_start(query, extent);
        page.after = start.after;
        page.recovered = start.recovered;
        next = start.after + 1;
        left = top_ - start.after;
    }
    size_t bytes = 0;
    for (; left > 0; --left) {
        const Publication& message = kept_[next - oldest()].message;
        bytes += message->frame.payload().size();
        if (page.messages.size() == query.limit || (bytes > query.bytes && !page.messages.empty())) break;
        page.messages.push_back(message);
        next += query.reverse ? -uint64_t{1} : 1;
    }
    page.more = left > 0;
    return page;
}

History::User& History::user(const Cursor& cursor) {
    const auto [it, fresh] = users_.try_emplace(cursor.user);
    if (fresh) bytes_ += user_bytes + cursor.user.size();
    User& user = it->second;
    user.until_ms = cursor.now.steady_ms + cursor.retention.keep_ms;
    touched_ms_ = cursor.now.steady_ms;
    return user;
}

bool History::acknowledge(const Cursor& cursor) {
    if (cursor.position.epoch != epoch_ || cursor.position.offset > top_) return false;
    User& known = user(cursor);
    known.acknowledged = std::max(known.acknowledged, cursor.position.offset);
    known.delivered = std::max(known.delivered, known.acknowledged);
    return true;
}

bool History::delivered(const Cursor& cursor) {
    if (cursor.position.epoch != epoch_ || cursor.position.offset > top_) return false;
    User& known = user(cursor);
    known.delivered = std::max(known.delivered, cursor.position.offset);
    return true;
}

Progress History::progress(std::string_view name) const {
    Progress out{top(), 0, 0, {}};
    if (const auto it = users_.find(name); it != users_.end()) {
        out.delivered = it->second.delivered;
        out.acknowledged = it->second.acknowledged;
    }
    return out;
}

}  // namespace wayleave
