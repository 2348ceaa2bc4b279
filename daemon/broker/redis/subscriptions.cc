#include "daemon/broker/redis/subscriptions.h"

#include <algorithm>
#include <utility>

#include "daemon/base/utf8.h"
#include "daemon/broker/local_presence.h"

namespace wayleave {
namespace {

constexpr int64_t linger_ms = 2000;  // who comes back soon finds it live
constexpr int64_t repair_ms = 1000;
constexpr size_t most_held = 256;
constexpr size_t most_user_name = 65'536;  // of a user: far more than a token has
constexpr uint32_t repair_page = 500;
constexpr int64_t round_ms = 20'000;
constexpr int64_t tops_every_ms = 64;  // 2,000 channels in a second
constexpr size_t most_tops = 128;      // of one call
constexpr size_t most_tops_under_way = 4;
constexpr int64_t default_keep_ms = 60'000;  // of a channel of which nobody has said it

}  // namespace

RedisSubscriptions::~RedisSubscriptions() = default;

RedisSubscriptions::Live* RedisSubscriptions::find(std::string_view channel) {
    const auto it = channels_.find(channel);
    return it == channels_.end() ? nullptr : it->second.get();
}

// --- asked for, live, left ---

void RedisSubscriptions::changed(const std::string& channel) {
    Live* live = find(channel);
    if (shared_.table.heard(channel)) {
        if (live != nullptr) {
            live->leave_ms = INT64_MAX;
            return;
        }
        auto& fresh = channels_[channel];
        fresh = std::make_unique<Live>();
        fresh->number = ++numbers_;
        shared_.counters.subscriptions.set(channels_.size());
        to_ask_.push_back(shared_.keys.messages(channel));
        return;
    }
    if (live == nullptr || live->leave_ms != INT64_MAX) return;
    live->leave_ms = now_ms() + linger_ms;
    leaving_.push_back({live->leave_ms, channel, live->number});
}

void RedisSubscriptions::leave() {
    std::vector<std::string> names;
    while (!leaving_.empty() && leaving_.front().at_ms <= now_ms()) {
        const std::string channel = std::move(leaving_.front().channel);
        leaving_.pop_front();
        Live* live = find(channel);
        if (live == nullptr || live->leave_ms > now_ms()) continue;
        // In this order: who came back and has read from memory meanwhile is seen, and others ask Redis.
        shared_.table.pause(channel);
        if (shared_.table.heard(channel)) {
            live->leave_ms = INT64_MAX;
            if (live->live && live->last.epoch != 0) shared_.table.stands(channel, live->last);
            continue;
        }
        for (const auto& then : std::exchange(live->waiting, {})) then();
        channels_.erase(channel);
        names.push_back(shared_.keys.messages(channel));
    }
    if (names.empty()) return;
    shared_.counters.subscriptions.set(channels_.size());
    // One that was not asked for yet is asked for first, and left then.
    link_.subscribe(std::exchange(to_ask_, {}), now_ms());
    link_.unsubscribe(names, now_ms());
}

bool RedisSubscriptions::wait(const Query& query, std::function<void()> then) {
    Live* live = find(query.channel);
    if (live == nullptr) return false;
    live->retention.history = std::max(live->retention.history, query.retention.history);
    live->retention.keep_ms = std::max(live->retention.keep_ms, query.retention.keep_ms);
    if (live->live) return false;
    live->waiting.push_back(std::move(then));
    some_wait_ = true;
    return true;
}

void RedisSubscriptions::let_go() {
    if (!std::exchange(some_wait_, false)) return;
    for (auto& [channel, live] : channels_) {
        for (const auto& then : std::exchange(live->waiting, {})) then();
    }
}

void RedisSubscriptions::ready() {
    if (down_since_ms_ != 0 && !channels_.empty()) {
        shared_.counters.resubscribed.add(channels_.size());
        shared_.counters.blind_ms.add(static_cast<uint64_t>(std::max<int64_t>(0, now_ms() - down_since_ms_)));
    }
    down_since_ms_ = 0;
    to_ask_.clear();
    for (const auto& [channel, live] : channels_) to_ask_.push_back(shared_.keys.messages(channel));
}

void RedisSubscriptions::down() {
    down_since_ms_ = now_ms();
    tops_under_way_ = 0;
    urgent_.clear();
    repairing_.clear();
    for (auto& [channel, live] : channels_) {
        live->live = false;
        live->repairing = false;  // the comparison of tops finds the gap again
        live->held.clear();
        shared_.table.pause(channel);
    }
}

// Each channel begins an epoch at its next use, which for a quiet one is this.
void RedisSubscriptions::forked() {
    for (auto& [channel, live] : channels_) {
        if (live->live && live->last.epoch != 0) urgent_.push_back(channel);
    }
}

void RedisSubscriptions::turn() {
    if (link_.state() != RedisLink::State::up) return;
    leave();
    if (down_since_ms_ == 0 && !to_ask_.empty()) link_.subscribe(std::exchange(to_ask_, {}), now_ms());
    for (const std::string& channel : std::exchange(repairing_, {})) {
        Live* live = find(channel);
        if (live == nullptr || !live->repairing) continue;
        if (now_ms() >= live->repaired_by_ms) {
            end_repair(channel, *live, false);
        } else {
            repairing_.push_back(channel);
        }
    }
    compare_tops();
}

void RedisSubscriptions::subscribed(const std::string& redis_channel) {
    const std::string channel(shared_.keys.channel_of(redis_channel));
    Live* live = find(channel);
    if (live == nullptr || live->live) return;
    live->live = true;
    if (live->last.epoch != 0) urgent_.push_back(channel);
    for (const auto& then : std::exchange(live->waiting, {})) then();
}

// Unasked: of what was asked nothing is live any more.
void RedisSubscriptions::unsubscribed(const std::string& redis_channel) {
    const std::string channel(shared_.keys.channel_of(redis_channel));
    Live* live = find(channel);
    if (live == nullptr || !live->live) return;
    live->live = false;
    shared_.table.pause(channel);
    to_ask_.push_back(redis_channel);
}

// --- in order ---

void RedisSubscriptions::heard(const std::string& redis_channel, std::string_view payload) {
    std::string channel(shared_.keys.channel_of(redis_channel));
    Live* live = find(channel);
    if (live == nullptr) return;
    shared_.counters.received.add();
    if (payload.starts_with("J:") || payload.starts_with("L:")) {
        const std::string_view user = payload.substr(2);
        if (user.empty() || user.size() > most_user_name || !is_utf8(user))
            return shared_.counters.malformed.add();
        return shared_.table.announce(
            presence_message(payload.front() == 'J' ? "$join" : "$leave", channel, user));
    }
    auto entry = read_entry(payload, channel, shared_.node);
    if (!entry) return shared_.counters.malformed.add();
    const Position position = entry->message->position;
    if (position.epoch == 0) return shared_.table.accepted_asleep(entry->message, 0, 0);
    if (position.epoch == live->before) return;  // late: who listens has been told of the next one
    if (!live->repairing) return take(channel, *live, *entry);
    live->held.push_back(std::move(*entry));
    if (live->held.size() > most_held) end_repair(channel, *live, false);
}

void RedisSubscriptions::take(const std::string& channel, Live& live, const RedisEntry& entry) {
    const Position position = entry.message->position;
    if (live.last.epoch != 0 && live.last.epoch != position.epoch)
        begin_epoch(channel, live, {position.epoch, position.offset - 1}, false);
    if (live.last.epoch == 0 || position.offset == live.last.offset + 1) return push(channel, live, entry);
    if (position.offset <= live.last.offset) return;
    // Read before the link went down, and dealt with afterwards: the comparison of tops finds it again.
    if (down_since_ms_ != 0) return;
    live.held.push_back(entry);
    repair(channel, live);
}

void RedisSubscriptions::push(const std::string& channel, Live& live, const RedisEntry& entry) {
    live.last = entry.message->position;
    follow(channel, live);
    shared_.table.accepted_asleep(entry.message, entry.at_ms, std::max<uint32_t>(1, live.retention.history));
    if (!live.live) shared_.table.pause(channel);
}

void RedisSubscriptions::begin_epoch(const std::string& channel, Live& live, Position top, bool tell) {
    live.before = live.last.epoch;
    live.last = top;
    live.held.clear();
    live.repairing = false;
    if (live.live) shared_.table.stands(channel, top);
    if (tell) shared_.table.tell(channel, top);
}

// From its first number on the channel's top is compared now and then.
void RedisSubscriptions::follow(const std::string& channel, Live& live) {
    if (std::exchange(live.in_round, true)) return;
    const auto jitter = static_cast<int64_t>(shared_.random() % round_ms);
    // In order: the round is as long for all.
    tops_.push_back(
        {tops_.empty() ? now_ms() + jitter : std::max(tops_.back().at_ms, now_ms() + round_ms / 2), channel,
         live.number});
}

RedisPages::Age RedisSubscriptions::seen(const std::string& channel, const Page& page) {
    Live* live = find(channel);
    if (live == nullptr || !live->live) return RedisPages::Age::newest;
    if (page.top.epoch == live->before) return RedisPages::Age::forked;
    if (live->last.epoch == 0) {
        live->last = page.top;
        follow(channel, *live);
        shared_.table.stands(channel, page.top);
        return RedisPages::Age::newest;
    }
    if (live->last.epoch != page.top.epoch) begin_epoch(channel, *live, page.top, true);
    return page.top.offset >= live->last.offset ? RedisPages::Age::newest : RedisPages::Age::older;
}

// --- gaps ---

void RedisSubscriptions::repair(const std::string& channel, Live& live) {
    live.repairing = true;
    live.repaired_by_ms = now_ms() + repair_ms;
    repairing_.push_back(channel);
    fetch(channel, live);
}

void RedisSubscriptions::fetch(const std::string& channel, const Live& live) {
    Query query;
    query.channel = channel;
    query.retention = live.retention;
    if (query.retention.keep_ms == 0) query.retention = {1, default_keep_ms, 0};
    query.since = live.last;
    query.limit = repair_page;
    pages_.fetch(std::move(query), [this, channel](const Page& page, const RedisPages::Ages& ages) {
        fetched(channel, page, ages);
    });
}

void RedisSubscriptions::fetched(const std::string& channel, const Page& page, const RedisPages::Ages& ages) {
    Live* live = find(channel);
    if (live == nullptr || !live->repairing) return;
    if (!page.because.empty()) return end_repair(channel, *live, false);
    if (page.top.epoch == live->before) return end_repair(channel, *live, false);
    if (page.top.epoch != live->last.epoch) return begin_epoch(channel, *live, page.top, true);
    if (!page.recovered) {
        // What is gone no push can bring. The workers hear how far it went, and tell who listens.
        live->last = page.top;
        shared_.table.tell(channel, page.top);
        return end_repair(channel, *live, false);
    }
    for (size_t i = 0; i < page.messages.size(); ++i) {
        const Publication& message = page.messages[i];
        if (message->position.offset == live->last.offset + 1) push(channel, *live, {message, ages.at(i)});
    }
    if (page.more && !page.messages.empty()) return fetch(channel, *live);
    end_repair(channel, *live, true);
}

// What cannot be had is passed over: the workers see the hole in the numbers, and tell who listens.
void RedisSubscriptions::end_repair(const std::string& channel, Live& live, bool whole) {
    live.repairing = false;
    const auto held = std::exchange(live.held, {});
    const auto next = std::find_if(held.begin(), held.end(), [&](const RedisEntry& entry) {
        return entry.message->position.epoch == live.last.epoch &&
               entry.message->position.offset > live.last.offset;
    });
    const bool gap = next != held.end() && next->message->position.offset != live.last.offset + 1;
    const bool own = channel.starts_with('$');  // nobody misses those
    if (!own) (whole && !gap ? shared_.counters.repaired : shared_.counters.unrepaired).add();
    if (gap) live.last.offset = next->message->position.offset - 1;
    if (live.live) shared_.table.stands(channel, live.last);
    for (const RedisEntry& entry : held) {
        if (live.repairing) {
            live.held.push_back(entry);
        } else {
            take(channel, live, entry);
        }
    }
}

// --- tops: a message that was lost at the end shows no gap ---

void RedisSubscriptions::compare_tops() {
    if (now_ms() < compared_ms_ + tops_every_ms || tops_under_way_ >= most_tops_under_way) return;
    std::vector<std::string> channels;
    while (channels.size() < most_tops && !urgent_.empty()) {
        channels.push_back(std::move(urgent_.front()));
        urgent_.pop_front();
    }
    while (channels.size() < most_tops && !tops_.empty() && tops_.front().at_ms <= now_ms()) {
        Due due = std::move(tops_.front());
        tops_.pop_front();
        const Live* live = find(due.channel);
        if (live == nullptr || live->number != due.number) continue;
        if (live->live) channels.push_back(due.channel);
        due.at_ms = now_ms() + round_ms;
        tops_.push_back(std::move(due));
    }
    if (channels.empty()) return;
    compared_ms_ = now_ms();
    std::vector<std::string> keys;
    std::vector<std::string> arguments;
    for (const std::string& channel : channels) {
        const Live* live = find(channel);
        const int64_t keep = live == nullptr ? 0 : live->retention.keep_ms;
        keys.push_back(shared_.keys.numbering(channel));
        arguments.push_back(shared_.fresh_epoch());
        arguments.push_back(std::to_string(keep == 0 ? default_keep_ms : keep));
    }
    ++tops_under_way_;
    calls_.run(tops_script(), std::move(keys), std::move(arguments),
               [this, channels = std::move(channels)](const RedisReply& reply) {
                   tops_under_way_ -= std::min<size_t>(tops_under_way_, 1);
                   take_tops(channels, reply);
               });
}

void RedisSubscriptions::take_tops(const std::vector<std::string>& channels, const RedisReply& reply) {
    if (!reply.is_list(channels.size())) return;
    for (size_t i = 0; i < channels.size(); ++i) {
        const auto top = read_position(reply.items[i].text);
        if (top && top->epoch != 0) {
            take_top(channels[i], *top);
        } else {
            shared_.counters.malformed.add();
        }
    }
}

void RedisSubscriptions::take_top(const std::string& channel, Position top) {
    Live* live = find(channel);
    if (live == nullptr || !live->live || live->last.epoch == 0 || live->repairing) return;
    if (top.epoch == live->before) return;
    if (top.epoch != live->last.epoch) return begin_epoch(channel, *live, top, true);
    if (top.offset > live->last.offset) return repair(channel, *live);
    if (top.offset == live->last.offset) shared_.table.stands(channel, top);
}

}  // namespace wayleave
