#include "daemon/broker/redis/core.h"

#include <array>
#include <chrono>
#include <utility>

#include "daemon/broker/redis/node_report.h"

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

RedisCore::RedisCore(RedisShared& shared, const Options& options, DeliveredNotes& notes,
                     RedisNodeBoard& board, Standing& standing, RedisReport report, RedisInquiries::Send send,
                     int64_t now_ms)
    : shared_(shared),
      standing_(standing),
      report_(std::move(report)),
      uplink_(shared, *this, options.access, {options.trust, options.replicas > 0}),
      replicas_(shared, uplink_.calls(), uplink_.waiting_calls(), options.replicas,
                [this](bool enough, const std::string& message) {
                    report_(enough ? RedisNews::enough_replicas : RedisNews::too_few_replicas, message);
                }),
      lanes_(shared, uplink_.calls(), uplink_.waiting_calls(), replicas_),
      pages_(shared, uplink_.calls(), options.most_waiting,
             [this](const std::string& channel, const Page& page) {
                 return subscriptions_.seen(channel, page);
             }),
      subscriptions_(shared, uplink_.links().subscriptions, uplink_.calls(), pages_),
      cursors_(shared, uplink_.calls(), notes),
      nodes_(
          shared, uplink_.calls(), options.times, board,
          {[this] {
               presence_.renamed();
               seats_.renamed();
               places_.renamed();
           },
           [this](const std::string& dead) { presence_.sweep(dead, [this, dead] { nodes_.swept(dead); }); }}),
      presence_(shared, uplink_.calls(), nodes_, options.times.renew_ms,
                [this](std::string_view channel) { return subscriptions_.hears(channel); }),
      seats_(shared, uplink_.calls(), nodes_, options.times.seats_ms),
      places_(shared, uplink_.calls(), nodes_, options.times.renew_ms),
      bans_(shared, uplink_.calls()),
      inquiries_(shared, uplink_.calls(), nodes_, std::move(send)),
      control_(shared.keys.control()),
      own_control_(shared.keys.control(node_text(shared.node))),
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

// Whoever sets the key first has it. The answer to a call that was lost is not known, and not asked for: the
// token may be used up then, for nobody.
void RedisCore::begin(UseToken& asked) {
    const std::string key = shared_.keys.used_token(asked.use.block, asked.use.id);
    const std::string claim = std::to_string(shared_.node) + ":" + std::to_string(asked.use.claim);
    const std::string keep = std::to_string(asked.keep_ms);
    uplink_.calls().ask({"SET", key, claim, "NX", "PX", keep, "GET"},
                        [this, claim, done = std::move(asked.done)](const RedisReply& reply) {
                            shared_.gate.leave(0);
                            using Kind = RedisReply::Kind;
                            const bool first = reply.kind == Kind::nothing ||
                                               (reply.kind == Kind::text && reply.text == claim);
                            done(first                      ? Commons::Use::first
                                 : reply.kind == Kind::text ? Commons::Use::again
                                                            : Commons::Use::unavailable);
                        });
}

// Whom messages were pushed to is woken behind them.
void RedisCore::turn(int64_t now_ms) {
    uplink_.turn(now_ms);
    shared_.table.wake();
    deal(now_ms);
    shared_.table.wake();
}

void RedisCore::deal(int64_t now_ms) {
    inquiries_.turn();
    if (uplink_.ready()) {
        lanes_.flush();
        replicas_.turn();
        pages_.flush();
        subscriptions_.turn();
        cursors_.turn();
        nodes_.turn();
        presence_.turn();
        seats_.turn(evict_);
        places_.turn();
        bans_.turn();
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
    presence_.let_go();
    places_.give_up();
    inquiries_.give_up(away);
    uplink_.give_up_calls(away);
}

// Some answers ask once more, and find the link closed.
void RedisCore::end(int64_t now_ms) {
    for (int i = 0; i < 3; ++i) {
        uplink_.turn(now_ms);
        give_up();
    }
    shared_.table.wake();
}

bool RedisCore::idle() const {
    return !uplink_.ready() || (lanes_.empty() && presence_.idle() && shared_.gate.waiting() == 0);
}

void RedisCore::ready() {
    const std::array<std::string, 2> controls{control_, own_control_};
    uplink_.links().subscriptions.subscribe(controls, uplink_.calls().now_ms());
    replicas_.ready();
    subscriptions_.ready();
    nodes_.ready();
    bans_.ready();
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
    report_(RedisNews::connected, "Redis at " + shared_.server + " is connected");
    reported_.clear();
}

void RedisCore::down(const RedisFault&) {
    down_since_ms_ = uplink_.calls().now_ms();
    standing_.up_.store(false, std::memory_order_relaxed);
    subscriptions_.down();
    nodes_.down();
    presence_.down();
    seats_.down();
    places_.down();
    bans_.down();
}

void RedisCore::forked() {
    subscriptions_.forked();
    nodes_.forked();
    presence_.forked();
    seats_.forked();
    places_.forked();
    bans_.forked();
}

// What nodes say to each other begins with a word; what is published in channels has none.
void RedisCore::heard(const std::string& channel, std::string_view payload) {
    if (channel != control_ && channel != own_control_) {
        if (payload.starts_with("J:")) presence_.joined(shared_.keys.channel_of(channel), payload.substr(2));
        return subscriptions_.heard(channel, payload);
    }
    if (payload.starts_with(RedisSeats::word)) return seats_.lost(payload.substr(1), evict_);
    if (payload.starts_with(RedisBans::word)) return bans_.heard(payload.substr(1));
    if (payload.starts_with(RedisInquiries::question_word))
        return inquiries_.heard_question(payload.substr(1));
    if (payload.starts_with(RedisInquiries::answer_word)) return inquiries_.heard_answer(payload.substr(1));
    shared_.counters.malformed.add();
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
    report_(RedisNews::down, health + "; until it is connected, what needs it is refused");
}

}  // namespace wayleave
