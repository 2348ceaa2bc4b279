#include "daemon/broker/redis/broker.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "daemon/broker/epoch.h"
#include "daemon/broker/redis/node_report.h"

namespace wayleave {
namespace {

constexpr const char* too_much_waits = "too many messages wait for Redis";
constexpr size_t overhead = 256;       // of a draft beside its bytes: about
constexpr int64_t most_sleep_ms = 50;  // timers of the parts are no finer
constexpr int64_t finish_ms = 2000;
constexpr uint64_t node_bits = (uint64_t{1} << 48U) - 1;

size_t size_of(const Draft& draft) {
    return overhead + draft.channel.size() + draft.id.size() + draft.members.size() + draft.key.size() +
           draft.dedup.size();
}

std::string server_name(const RedisTarget& target) {
    const bool six = target.host.find(':') != std::string::npos;
    return (six ? "[" + target.host + "]" : target.host) + ":" + std::to_string(target.port);
}

}  // namespace

Result<std::unique_ptr<RedisBroker>, RedisFault> RedisBroker::open(const RedisSettings& settings,
                                                                   RedisReport report, Now now) {
    std::unique_ptr<RedisBroker> broker(new RedisBroker(settings, std::move(report), now));
    const RedisFault fault = broker->standing_.first_outcome(settings.first_ms);
    if (fault.unfit) return failure(RedisFault{broker->standing_.health(), true});
    return broker;
}

RedisBroker::RedisBroker(const RedisSettings& settings, RedisReport report, Now now)
    : settings_(settings),
      target_(settings.target),
      gate_(settings.most_waiting, settings.most_waiting_bytes),
      table_(settings.memory_bytes, ChannelTable::Numbered::elsewhere),
      shared_{table_,
              counters_,
              gate_,
              RedisKeys(settings.prefix),
              random_seed() & node_bits,
              random_seed,
              settings.sentinels.empty() ? server_name(settings.target)
                                         : settings.primary + " (named by Sentinel)"},
      core_(
          shared_,
          {settings.access, settings.trust_after_fork, settings.replicas, settings.most_waiting,
           settings.times},
          notes_, board_, standing_, std::move(report),
          [this](RedisInquiries::Answer answer) { add(std::move(answer)); }, now.steady_ms),
      connections_(connect_all()),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!settings_.sentinels.empty())
        sentinels_.emplace(settings_.sentinels, settings_.primary, settings_.sentinel_access, shared_.random);
    if (wake_fd_ < 0) throw std::runtime_error("no eventfd");
    thread_ = std::thread([this] { loop(); });
    pthread_setname_np(thread_.native_handle(), "redis");
}

std::vector<std::unique_ptr<RedisConnection>> RedisBroker::connect_all() {
    std::vector<std::unique_ptr<RedisConnection>> out;
    for (RedisLink* link : core_.links().all())
        out.push_back(std::make_unique<RedisConnection>(*link, target_));
    return out;
}

RedisBroker::~RedisBroker() {
    finish();
    ::close(wake_fd_);
}

void RedisBroker::finish() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
}

// --- the thread ---

void RedisBroker::loop() {
    int64_t stop_by_ms = INT64_MAX;
    for (;;) {
        const int64_t now_ms = read_clocks().steady_ms;
        core_.take(take_tasks());
        if (sentinels_) follow_sentinels(now_ms);
        core_.turn(now_ms);
        if (!target_.host.empty()) {
            for (const auto& connection : connections_) connection->turn(now_ms);
        }
        {
            const std::lock_guard lock(mutex_);
            if (stop_ && stop_by_ms == INT64_MAX) {
                stop_by_ms = now_ms + finish_ms;
                core_.leave();
            }
            if (stop_ && tasks_.empty() && (core_.idle() || now_ms >= stop_by_ms)) break;
        }
        wait(now_ms);
    }
    // What is still under way is answered, so that nobody waits for it.
    const int64_t now_ms = read_clocks().steady_ms;
    core_.links().lost({"the program ends"}, now_ms);
    core_.end(now_ms);
}

// A primary that was demoted stays up and takes writes: what the Sentinels say counts, not what it says.
void RedisBroker::follow_sentinels(int64_t now_ms) {
    sentinels_->turn(now_ms);
    const RedisPrimary current{target_.host, target_.port};
    const auto named = sentinels_->primary(current, now_ms);
    RedisUplink::Links& links = core_.links();
    if (!named) {
        // Of one that is connected the Sentinels need not speak.
        if (!target_.host.empty() || !sentinels_->all_tried()) return;
        for (RedisLink* link : links.all()) {
            if (link->wants_opening(now_ms)) link->open(now_ms);
        }
        return links.commands.lost({sentinels_->trouble()}, now_ms);
    }
    if (*named == current) return;
    target_.host = named->host;
    target_.port = named->port;
    for (const auto& connection : connections_) connection->retarget();
    links.lost({"the Sentinels name another primary, " + server_name(target_)}, now_ms);
}

void RedisBroker::wait(int64_t now_ms) {
    std::vector<pollfd> wanted{pollfd{wake_fd_, POLLIN, 0}};
    wanted.reserve(connections_.size() + 1);
    int64_t wake_ms = INT64_MAX;
    for (const auto& connection : connections_) {
        wanted.push_back(connection->wanted());
        // Until the Sentinels have named a server there is nothing to open.
        if (!target_.host.empty()) wake_ms = std::min(wake_ms, connection->wake_ms(now_ms));
    }
    if (sentinels_) sentinels_->want(wanted);
    if (sentinels_) wake_ms = std::min(wake_ms, sentinels_->wake_ms(now_ms));
    const int64_t sleep_ms = std::clamp(wake_ms, now_ms, now_ms + most_sleep_ms) - now_ms;
    if (poll(wanted.data(), wanted.size(), static_cast<int>(sleep_ms)) <= 0) return;
    const int64_t woken_ms = read_clocks().steady_ms;
    for (size_t i = 0; i < connections_.size(); ++i) connections_[i]->ready(wanted[i + 1].revents, woken_ms);
    if (sentinels_) sentinels_->ready(&wanted[connections_.size() + 1], woken_ms);
    uint64_t count = 0;
    if (wanted[0].revents != 0) (void)!::read(wake_fd_, &count, sizeof count);
}

void RedisBroker::add(RedisCore::Task task, bool later) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
        if (later || woken_) return;
        woken_ = true;
    }
    wake();
}

void RedisBroker::wake() const {
    const uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
}

std::vector<RedisCore::Task> RedisBroker::take_tasks() {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    return std::exchange(tasks_, {});
}

// --- any thread ---

uint32_t RedisBroker::add_worker(Inbox& inbox) {
    return table_.add_inbox(inbox);
}

void RedisBroker::subscribe(uint32_t worker, std::string_view channel) {
    if (table_.subscribe(worker, channel)) add(RedisCore::Changed{std::string(channel)});
}

void RedisBroker::unsubscribe(uint32_t worker, std::string_view channel) {
    if (table_.unsubscribe(worker, channel)) add(RedisCore::Changed{std::string(channel)});
}

bool RedisBroker::heard(std::string_view channel) const {
    return table_.heard(channel);
}

// Why something is not taken.
std::optional<std::string> RedisBroker::refusal(size_t bytes) {
    std::optional<std::string> because;
    if (standing_.refuses()) {
        because = standing_.refusal();
    } else if (!gate_.enter(bytes)) {
        because = too_much_waits;
    }
    if (because) counters_.refused.fetch_add(1, std::memory_order_relaxed);
    return because;
}

std::optional<Receipt> RedisBroker::publish(Draft draft, Ticket ticket) {
    const size_t bytes = size_of(draft);
    if (auto because = refusal(bytes)) return Receipt{Receipt::Status::unavailable, {}, std::move(*because)};
    Gathering* gathering = ticket.worker < gathering_.size() ? &gathering_[ticket.worker] : nullptr;
    const bool later = gathering && *gathering != Gathering::no;
    if (later) *gathering = Gathering::something;
    add(RedisLanes::Waiting{std::move(draft), ticket, bytes}, later);
    return std::nullopt;
}

void RedisBroker::gather(uint32_t worker) {
    if (worker < gathering_.size()) gathering_[worker] = Gathering::nothing;
}

// Woken by each of them, the thread would send the first alone.
void RedisBroker::hand_over(uint32_t worker) {
    if (worker >= gathering_.size()) return;
    if (std::exchange(gathering_[worker], Gathering::no) != Gathering::something) return;
    {
        const std::lock_guard lock(mutex_);
        if (woken_ || tasks_.empty()) return;
        woken_ = true;
    }
    wake();
}

// To this node's clients: what all are to hear the scripts publish.
void RedisBroker::announce(const Publication& message) {
    table_.announce(message);
}

std::optional<Page> RedisBroker::read(Query query, Ticket ticket) {
    const int64_t redis_ms = read_clocks().steady_ms + standing_.server_ahead_ms();
    if (auto page = table_.read(query, redis_ms)) return page;
    if (auto because = refusal(0)) {
        table_.given_up(query.channel);
        Page page;
        page.because = std::move(*because);
        return page;
    }
    add(RedisCore::Read{std::move(query), ticket});
    return std::nullopt;
}

std::optional<Receipt> RedisBroker::acknowledge(Cursor cursor, Ticket ticket) {
    if (auto because = refusal(0)) return Receipt{Receipt::Status::unavailable, {}, std::move(*because)};
    add(RedisCore::Acknowledge{std::move(cursor), ticket});
    return std::nullopt;
}

void RedisBroker::delivered(Cursor cursor) {
    notes_.add(std::move(cursor));
}

std::optional<Progress> RedisBroker::progress(Cursor cursor, Ticket ticket) {
    if (auto because = refusal(0)) {
        Progress progress;
        progress.because = std::move(*because);
        return progress;
    }
    add(RedisCore::Ask{std::move(cursor), ticket});
    return std::nullopt;
}

// --- in common with other nodes ---

void RedisBroker::Rooms::appear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                                Now) {
    broker_.add(RedisPresence::Stay{std::string(channel), std::string(user), rules, true});
}

void RedisBroker::Rooms::disappear(std::string_view channel, std::string_view user,
                                   const PresenceRules& rules, Now) {
    broker_.add(RedisPresence::Stay{std::string(channel), std::string(user), rules, false});
}

std::optional<Roster> RedisBroker::Rooms::present(std::string_view channel, uint32_t limit, Ticket ticket) {
    if (auto because = broker_.refusal(0)) {
        Roster roster;
        roster.because = std::move(*because);
        return roster;
    }
    broker_.add(RedisCore::Present{std::string(channel), limit, ticket});
    return std::nullopt;
}

NodeList RedisBroker::nodes() const {
    NodeList out = board_.list(read_clocks().steady_ms);
    if (std::string health = standing_.health(); !health.empty()) out.because = std::move(health);
    out.questions_dropped = counters_.questions_dropped.get();
    return out;
}

void RedisBroker::use_token(TokenUse use, int64_t wall_ms, std::function<void(Use)> done) {
    if (refusal(0)) return done(Use::unavailable);
    const int64_t keep_ms = std::max<int64_t>(1, use.until_ms - wall_ms);
    add(RedisCore::UseToken{std::move(use), keep_ms, std::move(done)});
}

std::string RedisBroker::process() const {
    return node_text(shared_.node);
}

void RedisBroker::ask_nodes(std::string question, std::function<void(std::vector<NodeAnswer>)> done) {
    add(RedisInquiries::Ask{std::move(question), board_.list(read_clocks().steady_ms).nodes,
                            std::move(done)});
}

// Where too many wait already this node counts alone, as without Redis.
void RedisBroker::enter_place(PlaceWish wish, std::function<void(std::shared_ptr<const HeldPlace>)> done) {
    const bool asks = !standing_.refuses() && gate_.enter(0);
    auto told = [this, key = wish.key, done = std::move(done)](bool taken) {
        if (!taken) return done(nullptr);
        done(std::make_shared<const HeldPlace>([this, key] { add(RedisPlaces::Leave{key}); }));
    };
    add(RedisPlaces::Enter{std::move(wish.key), wish.most, std::move(told), asks});
}

BrokerTotals RedisBroker::totals() const {
    BrokerTotals totals;
    totals.messages = table_.messages();
    totals.bytes = table_.bytes();
    totals.duplicates = counters_.duplicates.get();
    LinkTotals link;
    link.up = standing_.up();
    link.dials = counters_.dials.get();
    link.calls = counters_.calls.get();
    link.published = counters_.published.get();
    link.batches = counters_.batches.get();
    link.waiting = gate_.waiting();
    link.refused = counters_.refused.load(std::memory_order_relaxed);
    link.received = counters_.received.get();
    link.malformed = counters_.malformed.get();
    link.repaired = counters_.repaired.get();
    link.unrepaired = counters_.unrepaired.get();
    link.subscriptions = counters_.subscriptions.get();
    link.resubscribed = counters_.resubscribed.get();
    link.forks = counters_.forks.get();
    link.blind_ms = counters_.blind_ms.get();
    link.probe_us = counters_.probe_us.get();
    if (settings_.replicas > 0) link.replicas = {counters_.replicas.get(), counters_.unconfirmed.get()};
    totals.link = link;
    return totals;
}

}  // namespace wayleave
