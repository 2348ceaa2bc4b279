#include "daemon/broker/redis/presence.h"

#include <algorithm>
#include <utility>

#include "daemon/base/utf8.h"
#include "daemon/broker/redis/entry.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr size_t most_users = 64;  // of one call
constexpr size_t most_under_way = 8;
constexpr size_t most_idle = 1024;      // rooms that are queued, and gone
constexpr size_t renewed_at_once = 64;  // channels, in a turn with nothing else to do
constexpr int64_t tried_again_ms = 1000;
constexpr int64_t most_patience_ms = 1000;  // of a question, for what is to be written
constexpr size_t most_sweeps = 100;         // that wait; others are another's turn

}  // namespace

bool RedisPresence::later(const Leaving& a, const Leaving& b) {
    return a.at_ms > b.at_ms;
}

RedisPresence::RedisPresence(RedisShared& shared, RedisCalls& calls, const RedisNodes& nodes,
                             int64_t renew_ms, Live live)
    : shared_(shared), calls_(calls), nodes_(nodes), renew_every_ms_(renew_ms), live_(std::move(live)) {}

// --- what changes here ---

void RedisPresence::changed(const Stay& stay) {
    auto& room = rooms_[stay.channel];
    if (!room) room = std::make_unique<Room>();
    User& user = room->users[stay.user];
    if (stay.begins) {
        ++user.connections;
    } else if (user.connections > 0) {
        --user.connections;
    }
    user.rules = stay.rules;
    mark(stay.channel, *room, stay.user, user);
    if (user.connections == 0) forget_unwritten(stay.channel, stay.user);
}

// Who came and went while nothing could be written has never been there: else those would be without a bound
// while Redis is away.
void RedisPresence::forget_unwritten(const std::string& channel, const std::string& name) {
    const auto it = rooms_.find(channel);
    Room& room = *it->second;
    const User& user = room.users.find(name)->second;
    if (user.written > 0 || user.gone_at_ms != 0 || user.lost || room.under_way) return;
    room.dirty.erase(name);
    room.users.erase(name);
    if (room.users.empty()) rooms_.erase(it);
    if (queue_.size() <= 2 * rooms_.size() + most_idle) return;
    queue_.clear();
    for (const auto& [queued, one] : rooms_) {
        if (one->queued) queue_.push_back(queued);
    }
}

void RedisPresence::mark(const std::string& channel, Room& room, const std::string& name, User& user) {
    if (!std::exchange(user.dirty, true)) room.dirty.insert(name);
    queue(channel, room);
}

void RedisPresence::queue(const std::string& channel, Room& room) {
    if (!room.dirty.empty() && !room.under_way && !std::exchange(room.queued, true))
        queue_.push_back(channel);
}

// `lost`: Redis may have forgotten what was told, and nobody else has told of it.
void RedisPresence::write_anew(bool lost) {
    for (auto& [channel, room] : rooms_) {
        for (auto& [name, user] : room->users) {
            const bool told = user.unsure ? user.joined : user.written > 0 || user.gone_at_ms != 0;
            user.lost = lost && (user.lost || told);
            if (!lost) user.written = 0;
            mark(channel, *room, name, user);
        }
    }
    renew_ms_ = calls_.now_ms() + renew_every_ms_;
}

// What nothing changes would expire with Redis's clock.
void RedisPresence::renew() {
    if (calls_.now_ms() >= renew_ms_) {
        renew_ms_ = calls_.now_ms() + renew_every_ms_;
        renewing_.clear();
        for (const auto& [channel, room] : rooms_) renewing_.push_back(channel);
    }
    for (size_t i = 0; i < renewed_at_once && !renewing_.empty() && queue_.empty(); ++i) {
        const auto it = rooms_.find(renewing_.front());
        if (it != rooms_.end() && !it->second->users.empty()) {
            const auto user = it->second->users.begin();
            mark(it->first, *it->second, user->first, user->second);
        }
        renewing_.pop_front();
    }
}

void RedisPresence::turn() {
    for (size_t left = questions_.size(); left > 0; --left) {
        Question question = std::move(questions_.front());
        questions_.pop_front();
        if (settled(question)) {
            ask(question);
        } else {
            questions_.push_back(std::move(question));
        }
    }
    // What is written under a lease that may be over nobody would sweep.
    if (!nodes_.whole()) return;
    look();
    renew();
    for (size_t left = queue_.size(); left > 0 && under_way_ < most_under_way; --left) {
        const std::string channel = std::move(queue_.front());
        queue_.pop_front();
        const auto it = rooms_.find(channel);
        if (it == rooms_.end() || !it->second->queued) continue;  // it was forgotten, and is another
        if (!live_(channel)) {
            queue_.push_back(channel);
            continue;
        }
        it->second->queued = false;
        flush(it->first, *it->second);
    }
    begin_sweep();
}

void RedisPresence::down() {
    ++stretch_;
    under_way_ = 0;
    sweeping_ = false;
    sweeps_.clear();
    let_go();
    for (auto& [channel, room] : rooms_) {
        if (!std::exchange(room->under_way, false)) continue;
        // Nobody knows which of it was done; what perhaps was is taken out again.
        for (auto& [name, user] : room->users) {
            if (std::exchange(user.under_way, false) && user.written == 0 && user.gone_at_ms == 0) {
                user.unsure = true;
                user.written = 1;
            }
            mark(channel, *room, name, user);
        }
    }
}

// --- to Redis ---

void RedisPresence::flush(const std::string& channel, Room& room) {
    std::vector<std::string> names;
    std::vector<uint32_t> counts;
    std::vector<std::string> arguments{shared_.keys.messages(channel), channel, nodes_.id(), "0"};
    while (!room.dirty.empty() && names.size() < most_users) {
        std::string name = *room.dirty.begin();
        room.dirty.erase(room.dirty.begin());
        const auto it = room.users.find(name);
        if (it == room.users.end() || !std::exchange(it->second.dirty, false)) continue;
        const User& user = it->second;
        // Who came and went while nothing could be written has never been there.
        if (user.connections == 0 && user.written == 0 && user.gone_at_ms == 0 && !user.lost) {
            room.users.erase(it);
            continue;
        }
        std::string flags = user.rules.announce ? "a" : "";
        if (user.lost) flags += user.connections > 0 ? "q" : "o";
        const bool waits = user.connections == 0 && user.written == 0 && !user.lost;
        arguments.push_back(name);
        arguments.push_back(waits ? "?" : std::to_string(user.connections));
        arguments.push_back(std::to_string(std::max<int64_t>(0, user.rules.grace_ms)));
        arguments.push_back(std::move(flags));
        counts.push_back(user.connections);
        it->second.under_way = true;
        it->second.joined = it->second.joined && user.unsure;
        names.push_back(std::move(name));
    }
    if (names.empty()) {
        if (room.users.empty()) rooms_.erase(channel);
        return;
    }
    room.under_way = true;
    ++under_way_;
    const RedisKeys& keys = shared_.keys;
    auto done = [this, channel, names, counts, stretch = stretch_](const RedisReply& reply) {
        if (stretch == stretch_) flushed(channel, names, counts, reply);
    };
    // In another generation it would say less than is true: who was told of before is told of again there.
    calls_.run_now(presence_script(), {keys.users(channel), keys.node_channels(channel, nodes_.id())},
                   std::move(arguments), std::move(done));
}

void RedisPresence::flushed(const std::string& channel, const std::vector<std::string>& users,
                            const std::vector<uint32_t>& counts, const RedisReply& reply) {
    --under_way_;
    const auto it = rooms_.find(channel);
    if (it == rooms_.end()) return;
    Room& room = *it->second;
    room.under_way = false;
    const bool good = reply.is_list(users.size());
    const bool forked = reply.error_is("FORK");
    // Redis is full, or holds under our key what is not ours: it is tried again, later.
    if (!good && !forked && reply.kind != RedisReply::Kind::lost) shared_.counters.malformed.add();
    for (size_t i = 0; i < users.size(); ++i) {
        const auto found = room.users.find(users[i]);
        if (found == room.users.end()) continue;
        User& user = found->second;
        user.under_way = false;
        if (forked) {
            mark(channel, room, users[i], user);
            continue;
        }
        if (!good) {
            wait_for(channel, users[i], user, tried_again_ms);
            continue;
        }
        user.lost = user.unsure = user.joined = false;
        user.written = counts[i];
        user.gone_at_ms = 0;
        const auto left_ms = read_number(reply.items[i].text);
        if (left_ms) wait_for(channel, users[i], user, static_cast<int64_t>(*left_ms));
        if (!left_ms && !user.dirty && user.connections == 0) room.users.erase(found);
    }
    if (room.users.empty()) return forget(channel);
    queue(channel, room);
}

// Comes again when the time is over.
void RedisPresence::wait_for(const std::string& channel, const std::string& name, User& user, int64_t ms) {
    user.gone_at_ms = calls_.now_ms() + ms + 1;
    leaving_.push_back({user.gone_at_ms, channel, name});
    std::push_heap(leaving_.begin(), leaving_.end(), later);
}

void RedisPresence::look() {
    while (!leaving_.empty() && leaving_.front().at_ms <= calls_.now_ms()) {
        std::pop_heap(leaving_.begin(), leaving_.end(), later);
        const Leaving leaving = std::move(leaving_.back());
        leaving_.pop_back();
        const auto it = rooms_.find(leaving.channel);
        if (it == rooms_.end()) continue;
        const auto user = it->second->users.find(leaving.user);
        if (user == it->second->users.end() || user->second.gone_at_ms != leaving.at_ms) continue;
        mark(it->first, *it->second, user->first, user->second);
    }
}

// The node has nobody in the channel any more, and its name goes from the node's list.
void RedisPresence::forget(const std::string& channel) {
    const RedisKeys& keys = shared_.keys;
    calls_.run(presence_script(), {keys.users(channel), keys.node_channels(channel, nodes_.id())},
               {keys.messages(channel), channel, nodes_.id(), "1"}, [](const RedisReply&) {});
    rooms_.erase(channel);
}

// --- questions ---

void RedisPresence::present(const std::string& channel, uint32_t limit, const Ticket& ticket) {
    Question question{channel, limit, ticket, calls_.now_ms()};
    if (settled(question)) return ask(question);
    questions_.push_back(std::move(question));
}

void RedisPresence::joined(std::string_view channel, std::string_view name) {
    const auto it = rooms_.find(channel);
    if (it == rooms_.end() || !it->second->under_way) return;
    const auto user = it->second->users.find(name);
    if (user != it->second->users.end() && user->second.under_way) user->second.joined = true;
}

void RedisPresence::let_go() {
    for (const Question& question : std::exchange(questions_, {})) ask(question);
}

bool RedisPresence::settled(const Question& question) const {
    const auto it = rooms_.find(question.channel);
    if (calls_.now_ms() - question.since_ms >= most_patience_ms) return true;
    if (!live_(question.channel)) return false;
    if (it == rooms_.end()) return true;
    return it->second->dirty.empty() && !it->second->under_way;
}

void RedisPresence::ask(const Question& question) {
    calls_.run(present_script(), {shared_.keys.users(question.channel)}, {std::to_string(question.limit)},
               [this, limit = question.limit, ticket = question.ticket](const RedisReply& reply) {
                   Roster roster;
                   const auto number = [&](size_t i) -> uint64_t {
                       const auto read = read_number(reply.items[i].text);
                       return read ? *read : 0;
                   };
                   if (reply.kind != RedisReply::Kind::list || reply.items.size() < 2) {
                       roster.because = words_of(reply);
                   } else {
                       roster.total = number(0);
                       roster.anonymous = number(1);
                       for (size_t i = 2; i + 1 < reply.items.size() && roster.users.size() < limit; i += 2) {
                           if (!is_utf8(reply.items[i].text)) continue;
                           roster.users.push_back(
                               {reply.items[i].text,
                                static_cast<uint32_t>(std::min<uint64_t>(number(i + 1), UINT32_MAX))});
                       }
                       std::sort(roster.users.begin(), roster.users.end(),
                                 [](const auto& a, const auto& b) { return a.user < b.user; });
                   }
                   shared_.gate.leave(0);
                   shared_.answer(ticket, std::move(roster));
               });
}

// --- the traces of a dead node ---

void RedisPresence::sweep(const std::string& dead, std::function<void()> done) {
    if (sweeps_.size() >= most_sweeps) return;
    auto sweep = std::make_shared<Sweep>();
    sweep->dead = dead;
    sweep->done = std::move(done);
    sweeps_.push_back(std::move(sweep));
}

void RedisPresence::begin_sweep() {
    if (sweeping_ || sweeps_.empty()) return;
    sweeping_ = true;
    sweep_partition(sweeps_.front());
}

void RedisPresence::end_sweep() {
    sweeping_ = false;
    sweeps_.pop_front();
}

void RedisPresence::sweep_partition(const std::shared_ptr<Sweep>& sweep) {
    if (sweep->partition >= redis_partitions) {
        end_sweep();
        return sweep->done();
    }
    const std::string key = shared_.keys.node_channels(sweep->partition, sweep->dead);
    calls_.ask({"SRANDMEMBER", key, "64"}, [this, sweep, stretch = stretch_](const RedisReply& reply) {
        if (stretch != stretch_) return;
        if (reply.kind != RedisReply::Kind::list) return end_sweep();
        for (const RedisReply& one : reply.items) sweep->channels.push_back(one.text);
        if (!sweep->channels.empty()) return sweep_channel(sweep);
        ++sweep->partition;
        sweep_partition(sweep);
    });
}

void RedisPresence::sweep_channel(const std::shared_ptr<Sweep>& sweep) {
    if (sweep->channels.empty()) return sweep_partition(sweep);
    const std::string& channel = sweep->channels.front();
    const RedisKeys& keys = shared_.keys;
    calls_.run(sweep_script(),
               {keys.users(channel), keys.node_channels(sweep->partition, sweep->dead),
                keys.node_channels(sweep->partition, nodes_.id())},
               {keys.messages(channel), channel, sweep->dead, nodes_.id(), sweep->cursor},
               [this, sweep, stretch = stretch_](const RedisReply& reply) {
                   if (stretch == stretch_) swept_some(sweep, reply);
               });
}

void RedisPresence::swept_some(const std::shared_ptr<Sweep>& sweep, const RedisReply& reply) {
    if (reply.kind != RedisReply::Kind::list || reply.items.empty()) return end_sweep();
    const std::string channel = sweep->channels.front();
    for (size_t i = 1; i + 1 < reply.items.size(); i += 2) {
        const auto left_ms = read_number(reply.items[i + 1].text);
        if (!left_ms) continue;
        auto& room = rooms_[channel];
        if (!room) room = std::make_unique<Room>();
        User& user = room->users[reply.items[i].text];
        if (user.connections > 0) continue;
        wait_for(channel, reply.items[i].text, user, static_cast<int64_t>(*left_ms));
    }
    sweep->cursor = reply.items[0].text;
    if (sweep->cursor == "0") sweep->channels.pop_front();
    sweep_channel(sweep);
}

}  // namespace wayleave
