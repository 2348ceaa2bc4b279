#include "daemon/edge/canary.h"

#include <algorithm>

namespace wayleave {
namespace {

constexpr size_t most_songs = 32;    // under way: more seconds than the patience has
constexpr int64_t keep_ms = 10'000;  // nobody reads it again
constexpr int64_t second_us = 1'000'000;

Draft draft_of(const std::string& channel, uint64_t number, Now now) {
    Draft draft;
    draft.channel = channel;
    draft.id = std::to_string(number);
    // Numbered, so that a broker that keeps messages has to write.
    draft.retention = {.history = 1, .keep_ms = keep_ms};
    draft.now = now;
    return draft;
}

std::string for_seconds(int64_t us) {
    return " for " + std::to_string(us / second_us) + " s";
}

bool covers(Position heard, Position position) {
    return heard.epoch == position.epoch && heard.offset >= position.offset;
}

}  // namespace

Canary::Canary(Broker& broker, std::string_view node)
    : broker_(broker), channel_(node.empty() ? "$canary" : "$canary/" + std::string(node)) {}

void Canary::begin(size_t workers) {
    self_ = broker_.add_worker(*this);
    listeners_.resize(workers);
}

void Canary::probe(Now now, int64_t at_us) {
    uint64_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        give_up(at_us);
        if (!songs_.empty() && !songs_.back().answered && !songs_.back().failed) return;
        number = ++numbers_;
        if (number == 1) {
            accepted_us_ = at_us;
            for (Listener& listener : listeners_) listener.done_us = at_us;
        }
        ++counted_.sung;
        if (songs_.size() == most_songs) songs_.pop_front();
        songs_.push_back({.number = number, .sung_us = at_us, .waiting = listeners_.size()});
    }
    // Without the lock: workers, and an answer, may come back from within.
    const auto receipt = broker_.publish(draft_of(channel_, number, now), {self_, number});
    if (!receipt) return;
    const std::lock_guard lock(mutex_);
    settle(number, *receipt);
}

void Canary::answered(uint64_t ticket, BrokerAnswer answer) {
    const auto* receipt = std::get_if<Receipt>(&answer);
    if (!receipt) return;
    const std::lock_guard lock(mutex_);
    settle(ticket, *receipt);
}

void Canary::heard(uint32_t worker, Position position, int64_t at_us) {
    const std::lock_guard lock(mutex_);
    if (worker >= listeners_.size()) return;
    listeners_[worker].heard = position;
    listeners_[worker].heard_us = at_us;
    listen(listeners_[worker]);
}

void Canary::settle(uint64_t number, const Receipt& receipt) {
    const auto song =
        std::find_if(songs_.begin(), songs_.end(), [&](const Song& s) { return s.number == number; });
    if (song == songs_.end() || song->answered) return;
    song->answered = true;
    // One that stands somewhere goes its way, though too few replicas have it: the daemon works.
    const bool accepted = receipt.status == Receipt::Status::accepted ||
                          receipt.status == Receipt::Status::duplicate || receipt.position.epoch != 0;
    if (!accepted) {
        fail(*song);
        because_ = receipt.because.empty() ? "it gives no reason" : receipt.because;
        songs_.erase(song);
        return;
    }
    because_.clear();
    accepted_us_ = std::max(accepted_us_, song->sung_us);
    song->position = receipt.position;
    for (Listener& listener : listeners_) listen(listener);  // a worker may have been faster than the answer
}

// What of the songs under way this worker has heard.
void Canary::listen(Listener& listener) {
    for (Song& song : songs_) {
        if (song.number <= listener.done || !song.position || !covers(listener.heard, *song.position))
            continue;
        listener.done = song.number;
        listener.done_us = std::max(listener.heard_us, song.sung_us);
        if (--song.waiting == 0) complete(song, listener.done_us);
    }
    std::erase_if(songs_, [](const Song& song) { return song.position && song.waiting == 0; });
}

void Canary::complete(Song& song, int64_t at_us) {
    if (song.failed) return;
    const int64_t took_us = at_us - song.sung_us;
    ++counted_.rounds;
    counted_.last_us = took_us;
    counted_.sum_us += took_us;
    for (size_t i = 0; i < CanaryReport::bounds_us.size(); ++i) {
        if (took_us <= CanaryReport::bounds_us[i]) ++counted_.within[i];
    }
}

void Canary::fail(Song& song) {
    if (!song.failed) ++counted_.failed;
    song.failed = true;
}

// What has not made its round in time will not count as one that has, but what comes late still shows life.
void Canary::give_up(int64_t at_us) {
    for (Song& song : songs_) {
        if (at_us - song.sung_us >= patience_us) fail(song);
    }
}

bool Canary::unheard(const Listener& listener) const {
    return std::any_of(songs_.begin(), songs_.end(),
                       [&](const Song& song) { return song.position && song.number > listener.done; });
}

CanaryReport Canary::report(int64_t at_us) const {
    const std::lock_guard lock(mutex_);
    CanaryReport out = counted_;
    const auto late = [&](int64_t since_us) { return at_us - since_us >= patience_us; };
    const bool unanswered =
        std::any_of(songs_.begin(), songs_.end(), [](const Song& song) { return !song.answered; });
    if (numbers_ > 0 && (unanswered || !because_.empty()) && late(accepted_us_)) {
        out.stuck.push_back("the broker has not accepted a publication" + for_seconds(at_us - accepted_us_) +
                            (because_.empty() ? "" : ": " + because_));
    }
    for (size_t i = 0; i < listeners_.size(); ++i) {
        if (!unheard(listeners_[i]) || !late(listeners_[i].done_us)) continue;
        out.stuck.push_back("worker " + std::to_string(i) + " has not heard a publication" +
                            for_seconds(at_us - listeners_[i].done_us));
    }
    if (out.rounds == 0 && out.stuck.empty())
        out.stuck.emplace_back("starting: no publication has come to every worker yet");
    out.ready = out.stuck.empty();
    return out;
}

}  // namespace wayleave
