#include "daemon/broker/redis/places.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

constexpr size_t most_places_asked = 32;
constexpr size_t most_askers = 1000;       // of one call
constexpr size_t most_idle_places = 1024;  // names that are queued, and gone
constexpr int64_t place_patience_ms = 1000;
constexpr int64_t place_tried_again_ms = 1000;

}  // namespace

void RedisPlaces::queue(const std::string& name, Count& count) {
    if (count.under_way || std::exchange(count.queued, true)) return;
    queue_.push_back(name);
    if (queue_.size() > 2 * counts_.size() + most_idle_places) compact();
}

// While Redis is away those that come and go would make it grow.
void RedisPlaces::compact() {
    queue_.clear();
    for (const auto& [name, count] : counts_) {
        if (count.queued) queue_.push_back(name);
    }
}

// What Redis has never been told of need not be taken back.
void RedisPlaces::forget_unused(const std::string& name) {
    const auto it = counts_.find(name);
    if (it == counts_.end()) return;
    const Count& count = it->second;
    if (count.held == 0 && count.written == 0 && count.askers.empty() && !count.under_way) counts_.erase(it);
}

void RedisPlaces::enter(Enter& wish) {
    const std::string name = shared_.keys.places(wish.key);
    Count& count = counts_[name];
    if (wish.asks) {
        count.askers.push_back({wish.most, std::move(wish.done)});
        ++waiting_;
    } else {
        ++count.held;
        count.dirty = true;
        wish.done(true);
    }
    queue(name, count);
}

void RedisPlaces::leave(const Leave& left) {
    const std::string name = shared_.keys.places(left.key);
    const auto it = counts_.find(name);
    if (it == counts_.end() || it->second.held == 0) return;
    --it->second.held;
    it->second.dirty = true;
    queue(name, it->second);
    forget_unused(name);
}

void RedisPlaces::write_anew() {
    for (auto& [name, count] : counts_) {
        count.dirty = true;
        queue(name, count);
    }
    renew_ms_ = calls_.now_ms() + renew_every_ms_;
}

void RedisPlaces::renamed() {
    for (auto& [name, count] : counts_) count.written = 0;
    write_anew();
}

// --- without Redis ---

void RedisPlaces::admit_all(Count& count) {
    std::deque<Asker> askers = std::exchange(count.askers, {});
    count.asking = 0;
    count.held += askers.size();
    count.dirty = true;
    waiting_ -= askers.size();
    for (const Asker& asker : askers) {
        shared_.gate.leave(0);
        asker.done(true);
    }
}

void RedisPlaces::give_up() {
    if (waiting_ == 0) return;
    for (auto& [name, count] : counts_) {
        if (count.askers.empty() || count.under_way) continue;
        admit_all(count);
        queue(name, count);
    }
}

// A node that is not registered, because Redis is full, say, writes nothing: nobody would take it back.
void RedisPlaces::admit_late() {
    if (unsure_ms_ < 0) unsure_ms_ = calls_.now_ms();
    if (calls_.now_ms() - unsure_ms_ >= place_patience_ms) give_up();
}

void RedisPlaces::down() {
    ++stretch_;
    under_way_ = 0;
    unsure_ms_ = -1;
    for (auto& [name, count] : counts_) {
        if (!std::exchange(count.under_way, false)) continue;
        // Nobody knows whether it was done; the count that is written next says what is true.
        count.written = std::max<uint64_t>(count.written, 1);
        count.asking = 0;
        count.dirty = true;
        queue(name, count);
    }
}

// --- to Redis ---

void RedisPlaces::turn() {
    if (!nodes_.whole()) return admit_late();
    unsure_ms_ = -1;
    if (calls_.now_ms() >= renew_ms_ && queue_.empty()) write_anew();  // else it would expire
    if (!failed_.empty() && calls_.now_ms() >= try_again_ms_) {
        for (const std::string& name : std::exchange(failed_, {})) {
            if (const auto it = counts_.find(name); it != counts_.end()) queue(name, it->second);
        }
    }
    while (!queue_.empty() && under_way_ < most_places_asked) {
        const std::string name = std::move(queue_.front());
        queue_.pop_front();
        const auto it = counts_.find(name);
        if (it == counts_.end() || !std::exchange(it->second.queued, false)) continue;
        if (it->second.dirty || !it->second.askers.empty()) ask(name, it->second);
    }
}

// One call at a time, so that they are done in this order; those who ask for the same go together.
void RedisPlaces::ask(const std::string& name, Count& count) {
    count.under_way = true;
    count.dirty = false;
    ++under_way_;
    const int64_t most = count.askers.empty() ? 0 : count.askers.front().most;
    count.asking = 0;
    while (count.asking < std::min(count.askers.size(), most_askers) &&
           count.askers[count.asking].most == most)
        ++count.asking;
    std::string dead = ",";
    for (const std::string& one : nodes_.dead()) dead += one + ",";
    calls_.run(place_script(), {name},
               {nodes_.id(), std::to_string(count.held), std::to_string(count.asking), std::to_string(most),
                std::move(dead)},
               [this, name, had = count.held, stretch = stretch_](const RedisReply& reply) {
                   if (stretch == stretch_) answered(name, had, reply);
               });
}

void RedisPlaces::answered(const std::string& name, uint64_t had, const RedisReply& reply) {
    --under_way_;
    const auto it = counts_.find(name);
    if (it == counts_.end()) return;
    Count& count = it->second;
    count.under_way = false;
    const size_t asking = std::exchange(count.asking, 0);
    const bool good = reply.kind == RedisReply::Kind::number && reply.number >= 0 &&
                      static_cast<uint64_t>(reply.number) <= asking;
    if (!good) {
        // Redis is full, or holds under our key what is not ours.
        if (reply.kind != RedisReply::Kind::lost) shared_.counters.malformed.add();
        count.written = std::max<uint64_t>(count.written, 1);
        admit_all(count);
        failed_.push_back(name);
        try_again_ms_ = calls_.now_ms() + place_tried_again_ms;
        return;
    }
    const auto more = static_cast<size_t>(reply.number);
    count.written = had + more;
    count.held += more;
    waiting_ -= asking;
    std::vector<Done> told;
    for (size_t i = 0; i < asking; ++i) {
        told.push_back(std::move(count.askers.front().done));
        count.askers.pop_front();
    }
    if (count.dirty || !count.askers.empty()) queue(name, count);
    forget_unused(name);
    for (size_t i = 0; i < told.size(); ++i) {
        shared_.gate.leave(0);
        told[i](i < more);
    }
}

}  // namespace wayleave
