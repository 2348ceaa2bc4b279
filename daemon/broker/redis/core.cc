#include "daemon/broker/redis/core.h"

#include <chrono>
#include <utility>

namespace wayleave {
namespace {

constexpr int64_t patience_ms = 500;  // a link that is away for less is not noticed by who publishes
constexpr int64_t remind_ms = 60'000;
constexpr int64_t least_between_reports_ms = 5000;  // of one fault after another
constexpr const char* away = "Redis is not connected";

}  // namespace

std::string RedisCore::Standing::refusal() const {
    return refuses() ? away : "";
}

std::string RedisCore::Standing::health() const {
    const std::lock_guard lock(mutex_);
    return health_;
}

RedisFault RedisCore::Standing::first_outcome(int64_t most_ms) {
    std::unique_lock lock(mutex_);
    known_.wait_for(lock, std::chrono::milliseconds(most_ms), [this] { return outcome_; });
    return fault_;
}

RedisCore::RedisCore(RedisShared& shared, const RedisAccess& access, bool trust, size_t most_waiting,
                     DeliveredNotes& notes, Standing& standing, RedisReport report, int64_t now_ms)
    : shared_(shared),
      standing_(standing),
      report_(std::move(report)),
      uplink_(shared, *this, access, trust),
      lanes_(shared, uplink_.calls()),
      pages_(shared, uplink_.calls(), most_waiting,
             [this](const std::string& channel, const Page& page) {
                 return subscriptions_.seen(channel, page);
             }),
      subscriptions_(shared, uplink_.links().subscriptions, uplink_.calls(), pages_),
      cursors_(shared, uplink_.calls(), notes),
      down_since_ms_(now_ms) {
    const std::lock_guard lock(standing_.mutex_);
    standing_.health_ = "Redis at " + shared_.server + " is not connected yet";
}

void RedisCore::take(std::vector<Task> tasks) {
    for (Task& task : tasks) std::visit([this](auto& one) { begin(one); }, task);
}

// Of a channel that is asked for it waits until that is live.
void RedisCore::begin(Read& read) {
    const Query query = read.query;
    auto then = [this, read = std::move(read)] { pages_.read(read.query, read.ticket); };
    if (!subscriptions_.wait(query, then)) then();
}

void RedisCore::begin(Acknowledge& acknowledge) {
    cursors_.acknowledge(acknowledge.cursor, acknowledge.ticket);
}

void RedisCore::begin(Ask& ask) {
    cursors_.progress(ask.cursor, ask.ticket);
}

void RedisCore::turn(int64_t now_ms) {
    uplink_.turn(now_ms);
    if (uplink_.ready()) {
        lanes_.flush();
        pages_.flush();
        subscriptions_.turn();
        cursors_.turn();
        return;
    }
    if (now_ms - down_since_ms_ < patience_ms) return;
    standing_.refuses_.store(true, std::memory_order_release);
    give_up();
}

void RedisCore::give_up() {
    lanes_.give_up(away);
    subscriptions_.let_go();
    pages_.give_up(away);
    uplink_.calls().give_up(away);
}

// Some answers ask once more, and find the link closed.
void RedisCore::end(int64_t now_ms) {
    for (int i = 0; i < 3; ++i) {
        uplink_.turn(now_ms);
        give_up();
    }
}

bool RedisCore::idle() const {
    return !uplink_.ready() || (lanes_.empty() && shared_.gate.waiting() == 0);
}

void RedisCore::ready() {
    subscriptions_.ready();
    standing_.ahead_ms_.store(uplink_.server_ahead_ms(), std::memory_order_relaxed);
    standing_.refuses_.store(false, std::memory_order_release);
    standing_.up_.store(true, std::memory_order_relaxed);
    {
        const std::lock_guard lock(standing_.mutex_);
        standing_.health_.clear();
        standing_.outcome_ = true;
        standing_.fault_ = {};
    }
    standing_.known_.notify_all();
    report_(false, "Redis at " + shared_.server + " is connected");
    reported_.clear();
}

void RedisCore::down(const RedisFault&) {
    down_since_ms_ = uplink_.calls().now_ms();
    standing_.up_.store(false, std::memory_order_relaxed);
    subscriptions_.down();
}

// Once for each fault, and again after a while.
void RedisCore::failed(const RedisFault& fault) {
    const std::string health = "Redis at " + shared_.server + ": " + fault.because;
    {
        const std::lock_guard lock(standing_.mutex_);
        standing_.health_ = health;
        standing_.outcome_ = true;
        standing_.fault_ = fault;
    }
    standing_.known_.notify_all();
    const int64_t now_ms = uplink_.calls().now_ms();
    const int64_t quiet_ms = reported_ == fault.because ? remind_ms : least_between_reports_ms;
    if (!reported_.empty() && now_ms - reported_ms_ < quiet_ms) return;
    reported_ = fault.because;
    reported_ms_ = now_ms;
    report_(true, health + "; until it is connected, what needs it is refused");
}

}  // namespace wayleave
