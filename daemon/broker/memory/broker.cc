#include "daemon/broker/memory/broker.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/base/string_map.h"
#include "daemon/broker/dedup_window.h"
#include "daemon/broker/epoch.h"
#include "daemon/broker/memory/history.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;                  // locks: two workers rarely want the same
constexpr size_t most_ids = 16'384;             // of deduplication, in a stripe: a million in all
constexpr int64_t forget_after_ms = 3'600'000;  // the numbering of a channel in which nothing is left
constexpr size_t channel_bytes = 1536;          // of one that keeps something, beside its name: about

std::shared_ptr<const Message> message_of(Draft& draft, Position position) {
    auto message = std::make_shared<Message>(std::move(draft.channel), position,
                                             Body{draft.id, draft.now.wall_ms, draft.members});
    message->except = draft.except;
    if (position.epoch == 0) message->lane = draft.lane;
    message->key = std::move(draft.key);
    return message;
}

}  // namespace

// With nothing but workers it is as light as a subscription, and goes with the last of them.
struct MemoryBroker::Channel {
    std::vector<uint32_t> workers;
    uint64_t epoch = 0;                 // that subscribers were told; 0: none yet
    std::unique_ptr<History> history;   // null until something is numbered
    std::unique_ptr<DedupWindow> seen;  // null until an id is known

    [[nodiscard]] bool keeps_nothing() const { return !history && !seen; }
    // Only its numbering would be lost.
    [[nodiscard]] bool empty() const { return !seen && (!history || history->empty()); }
    [[nodiscard]] size_t messages() const { return history ? history->messages() : 0; }
    [[nodiscard]] size_t bytes() const {
        if (keeps_nothing()) return 0;
        return channel_bytes + (history ? history->bytes() : 0) + (seen ? seen->bytes() : 0);
    }
};

// A cache line of its own, or the locks of neighbours would slow each other down.
struct alignas(64) MemoryBroker::Stripe {
    mutable std::mutex mutex;
    StringMap<std::unique_ptr<Channel>> channels;  // with a worker, a history or an id
    uint64_t seed = random_seed();  // of the epochs of channels that have no history; see epoch_of()
    size_t ids = 0;
    uint64_t evicted = 0;
    uint64_t ids_evicted = 0;
    uint64_t duplicates = 0;

    [[nodiscard]] Channel* find(std::string_view name) const {
        const auto it = channels.find(name);
        return it == channels.end() ? nullptr : it->second.get();
    }
    [[nodiscard]] Channel& make(std::string_view name) {
        auto& channel = channels[name];
        if (!channel) channel = std::make_unique<Channel>();
        return *channel;
    }
    // Where the numbering of a channel without a history stands. Subscribers hear the same each time.
    [[nodiscard]] uint64_t epoch(std::string_view name, Channel* channel) const {
        const uint64_t fresh = epoch_of(seed, name);
        if (channel == nullptr) return fresh;
        if (channel->epoch == 0) channel->epoch = fresh;
        return channel->epoch;
    }
    // The numbering is forgotten with it; the next has another epoch.
    void forget_history(Channel& channel) {
        channel.history.reset();
        channel.epoch = 0;
        seed = random_seed();
    }
};

// With the stripe's mutex held, for as long as the channel is changed.
class MemoryBroker::Change {
  public:
    Change(MemoryBroker& broker, Stripe& stripe, Channel& channel)
        : broker_(broker),
          stripe_(stripe),
          channel_(channel),
          bytes_(channel.bytes()),
          messages_(channel.messages()),
          ids_(channel.seen ? channel.seen->size() : 0),
          numbered_(channel.history ? 1 : 0) {}
    ~Change() {
        if (channel_.seen && channel_.seen->size() == 0) channel_.seen.reset();
        // Unsigned sums wrap around, so that what is less is added as well.
        broker_.bytes_.fetch_add(channel_.bytes() - bytes_, std::memory_order_relaxed);
        broker_.messages_.fetch_add(channel_.messages() - messages_, std::memory_order_relaxed);
        broker_.channels_.fetch_add((channel_.history ? 1U : 0U) - numbered_, std::memory_order_relaxed);
        stripe_.ids += (channel_.seen ? channel_.seen->size() : 0) - ids_;
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

  private:
    MemoryBroker& broker_;
    Stripe& stripe_;
    Channel& channel_;
    const size_t bytes_;
    const size_t messages_;
    const size_t ids_;
    const size_t numbered_;
};

MemoryBroker::MemoryBroker(size_t most_bytes)
    : most_bytes_(most_bytes), stripes_(std::make_unique<Stripe[]>(stripes)) {}
MemoryBroker::~MemoryBroker() = default;

MemoryBroker::Stripe& MemoryBroker::stripe_of(std::string_view channel) const {
    return stripes_[stripe_for(channel, stripes)];
}

uint32_t MemoryBroker::add_worker(Inbox& inbox) {
    inboxes_.push_back(&inbox);
    return static_cast<uint32_t>(inboxes_.size() - 1);
}

void MemoryBroker::subscribe(uint32_t worker, std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    auto& workers = stripe.make(name).workers;
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) workers.push_back(worker);
}

void MemoryBroker::unsubscribe(uint32_t worker, std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    std::erase(channel->workers, worker);
    forget_if_idle(stripe, name);
}

bool MemoryBroker::heard(std::string_view name) const {
    const Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    const Channel* channel = stripe.find(name);
    return channel != nullptr && !channel->workers.empty();
}

void MemoryBroker::forget_if_idle(Stripe& stripe, std::string_view name) {
    const auto it = stripe.channels.find(name);
    if (it == stripe.channels.end()) return;
    const Channel& channel = *it->second;
    if (channel.workers.empty() && channel.keeps_nothing()) stripe.channels.erase(it);
}

MemoryBroker::Channel& MemoryBroker::numbered(Stripe& stripe, std::string_view name, Now now) const {
    Channel& channel = stripe.make(name);
    if (!channel.history) channel.history = std::make_unique<History>(stripe.epoch(name, &channel), now);
    return channel;
}

// Under the stripe's lock, so that two publications on a channel reach all inboxes in the same order. An
// inbox takes its own lock inside this one and calls nobody: that is the whole order of locks.
void MemoryBroker::push(const Channel* channel, const Publication& message) const {
    if (channel == nullptr) return;
    for (const uint32_t worker : channel->workers) inboxes_[worker]->push(message);
}

void MemoryBroker::announce(const Publication& message) {
    const Stripe& stripe = stripe_of(message->channel);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.channels.find(message->channel);
    push(it == stripe.channels.end() ? nullptr : it->second.get(), message);
}

std::optional<Receipt> MemoryBroker::publish(Draft draft, Ticket) {
    const Retention retention = draft.retention;
    const bool deduplicated = retention.dedup_ms > 0 && !draft.dedup.empty();
    Stripe& stripe = stripe_of(draft.channel);
    if (retention.history == 0 && !deduplicated) {
        const Publication message = message_of(draft, {});
        const std::lock_guard lock(stripe.mutex);
        const auto it = stripe.channels.find(message->channel);
        push(it == stripe.channels.end() ? nullptr : it->second.get(), message);
        return Receipt{};
    }
    Receipt receipt = publish_kept(std::move(draft), stripe);
    make_room_anywhere();
    return receipt;
}

Receipt MemoryBroker::publish_kept(Draft draft, Stripe& stripe) {
    const Retention retention = draft.retention;
    const bool deduplicated = retention.dedup_ms > 0 && !draft.dedup.empty();
    const DedupKey id = deduplicated ? dedup_key(draft.dedup) : DedupKey{};
    const std::lock_guard lock(stripe.mutex);
    Channel& channel = stripe.make(draft.channel);
    if (deduplicated && channel.seen) {
        if (const auto first = channel.seen->find(id, draft.now.steady_ms)) {
            ++stripe.duplicates;
            return Receipt{Receipt::Status::duplicate, *first, {}};
        }
    }
    if (deduplicated && stripe.ids >= most_ids) make_room_for_id(stripe, channel);
    Position position;
    Publication message;
    {
        const Change change(*this, stripe, channel);
        if (retention.history > 0) position = numbered(stripe, draft.channel, draft.now).history->next();
        if (deduplicated) {
            if (!channel.seen) channel.seen = std::make_unique<DedupWindow>();
            channel.seen->add(id, position, draft.now.steady_ms + retention.dedup_ms);
        }
        message = message_of(draft, position);
        if (retention.history > 0) channel.history->append(message, retention, draft.now);
    }
    make_room(stripe, channel);
    push(&channel, message);
    return Receipt{Receipt::Status::accepted, position, {}};
}

// Of the channel that has most to lose by it, or else of any.
void MemoryBroker::make_room_for_id(Stripe& stripe, Channel& published) {
    const auto drop = [&](Channel& channel) {
        if (!channel.seen) return false;
        const Change change(*this, stripe, channel);
        ++stripe.ids_evicted;
        return channel.seen->drop_oldest();
    };
    if (drop(published)) return;
    for (auto& [name, channel] : stripe.channels) {
        if (drop(*channel)) return;
    }
}

bool MemoryBroker::too_full() const {
    return bytes_.load(std::memory_order_relaxed) > most_bytes_;
}

bool MemoryBroker::drop_message(Stripe& stripe, Channel& channel) {
    if (channel.messages() == 0) return false;
    const Change change(*this, stripe, channel);
    ++stripe.evicted;
    return channel.history->drop_oldest();
}

// Who fills the memory pays first.
void MemoryBroker::make_room(Stripe& stripe, Channel& published) {
    while (too_full() && published.messages() > 1) drop_message(stripe, published);
}

// A message, else an id, else a cursor; and the numbering with the last of them, where nobody listens.
void MemoryBroker::drop_something(Stripe& stripe, Channel& channel) {
    if (!drop_message(stripe, channel)) {
        const Change change(*this, stripe, channel);
        if (channel.seen) {
            ++stripe.ids_evicted;
            (void)channel.seen->drop_oldest();
        } else if (channel.history) {
            (void)channel.history->drop_user();
        }
    }
    if (!channel.empty() || !channel.workers.empty() || !channel.history) return;
    const Change change(*this, stripe, channel);
    stripe.forget_history(channel);
}

// Then of any, one thing of each channel at a time: a client that has made up many names loses most. One
// stripe is locked at a time.
void MemoryBroker::make_room_anywhere() {
    if (!too_full()) return;
    // A little more than what is too much, so that whole stripes give, and not always the same channels.
    const size_t enough = most_bytes_ - most_bytes_ / stripes;
    const auto full = [&] { return bytes_.load(std::memory_order_relaxed) > enough; };
    for (size_t looked = 0; looked < 2 * stripes && full(); ++looked) {
        Stripe& stripe = stripes_[next_eviction_.fetch_add(1, std::memory_order_relaxed) % stripes];
        const std::lock_guard lock(stripe.mutex);
        absl::erase_if(stripe.channels, [&](auto& item) {
            Channel& channel = *item.second;
            if (full() && !channel.keeps_nothing()) drop_something(stripe, channel);
            return channel.workers.empty() && channel.keeps_nothing();
        });
    }
}

// Asking keeps nothing, however many names are asked for.
std::optional<Page> MemoryBroker::read(Query query, Ticket) {
    Stripe& stripe = stripe_of(query.channel);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(query.channel);
    if (channel != nullptr && channel->history) return channel->history->read(query);
    return History(stripe.epoch(query.channel, channel), query.now).read(query);
}

std::optional<Receipt> MemoryBroker::acknowledge(Cursor cursor, Ticket) {
    const bool known = move_cursor(cursor, &History::acknowledge);
    make_room_anywhere();
    if (known) return Receipt{Receipt::Status::accepted, cursor.position, {}};
    return Receipt{Receipt::Status::refused, {}, "the channel has no message of this epoch and offset"};
}

void MemoryBroker::delivered(Cursor cursor) {
    (void)move_cursor(cursor, &History::delivered);
    make_room_anywhere();
}

// In a channel of which nothing is kept there is one position to be at, and nothing to note.
bool MemoryBroker::move_cursor(const Cursor& cursor, bool (History::*move)(const Cursor&)) {
    Stripe& stripe = stripe_of(cursor.channel);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(cursor.channel);
    if (channel == nullptr || !channel->history)
        return cursor.position == Position{stripe.epoch(cursor.channel, channel), 0};
    const Change change(*this, stripe, *channel);
    return (channel->history.get()->*move)(cursor);
}

std::optional<Progress> MemoryBroker::progress(Cursor cursor, Ticket) {
    Stripe& stripe = stripe_of(cursor.channel);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.channels.find(cursor.channel);
    if (it == stripe.channels.end() || !it->second->history) return Progress{};
    return it->second->history->progress(cursor.user);
}

// A stripe at a time: each is looked at every few seconds.
void MemoryBroker::tick(Now now) {
    Stripe& stripe = stripes_[next_sweep_++ % stripes];
    const std::lock_guard lock(stripe.mutex);
    sweep(stripe, now);
}

void MemoryBroker::sweep(Stripe& stripe, Now now) {
    absl::erase_if(stripe.channels, [&](auto& item) {
        Channel& channel = *item.second;
        {
            const Change change(*this, stripe, channel);
            if (channel.seen) channel.seen->expire(now.steady_ms);
            if (channel.history) channel.history->expire(now.steady_ms);
        }
        const bool over = channel.history && channel.empty() && channel.workers.empty() &&
                          now.steady_ms - channel.history->touched_ms() > forget_after_ms;
        if (over) {
            const Change change(*this, stripe, channel);
            stripe.forget_history(channel);
        }
        return channel.workers.empty() && channel.keeps_nothing();
    });
}

BrokerTotals MemoryBroker::totals() const {
    BrokerTotals totals;
    totals.bytes = bytes_.load(std::memory_order_relaxed);
    totals.messages = messages_.load(std::memory_order_relaxed);
    totals.channels = channels_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < stripes; ++i) {
        const Stripe& stripe = stripes_[i];
        const std::lock_guard lock(stripe.mutex);
        totals.evicted += stripe.evicted;
        totals.ids_evicted += stripe.ids_evicted;
        totals.duplicates += stripe.duplicates;
    }
    return totals;
}

}  // namespace wayleave
