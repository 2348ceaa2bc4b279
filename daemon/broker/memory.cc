#include "daemon/broker/memory.h"

#include <openssl/rand.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "daemon/broker/dedup_window.h"
#include "daemon/broker/history.h"
#include "daemon/core/string_map.h"

namespace wayleave {
namespace {

constexpr size_t stripes = 64;                  // locks: two workers rarely want the same
constexpr size_t most_ids = 16'384;             // of deduplication, in a stripe: a million in all
constexpr int64_t forget_after_ms = 3'600'000;  // the numbering of a channel in which nothing is left

uint64_t new_epoch() {
    uint64_t epoch = 0;
    do {
        if (RAND_bytes(reinterpret_cast<unsigned char*>(&epoch), sizeof epoch) != 1)
            throw std::runtime_error("OpenSSL has no random numbers");
        epoch &= (uint64_t{1} << 48U) - 1;
    } while (epoch == 0);
    return epoch;
}

std::shared_ptr<const Message> message_of(Draft& draft, Position position) {
    const std::string text =
        publication_text({draft.channel, draft.id, draft.now.wall_ms, draft.members}, position);
    auto message = std::make_shared<Message>(std::move(draft.channel), position, text);
    message->except = draft.except;
    message->key = std::move(draft.key);
    return message;
}

}  // namespace

struct MemoryBroker::Channel {
    std::vector<uint32_t> workers;
    std::unique_ptr<History> history;  // null until something is numbered or asked about
    DedupWindow seen;
};

// A cache line of its own, or the locks of neighbours would slow each other down.
struct alignas(64) MemoryBroker::Stripe {
    mutable std::mutex mutex;
    StringMap<std::unique_ptr<Channel>> channels;  // with a worker, a history or an id
    size_t ids = 0;
    uint64_t evicted = 0;
    uint64_t ids_evicted = 0;
    uint64_t duplicates = 0;
};

MemoryBroker::MemoryBroker(size_t most_bytes)
    : most_bytes_(most_bytes),
      stripes_(std::make_unique<Stripe[]>(stripes)),
      presence_([this](const Publication& message) { announce(message); }) {}
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
    auto& channel = stripe.channels[name];
    if (!channel) channel = std::make_unique<Channel>();
    auto& workers = channel->workers;
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) workers.push_back(worker);
}

void MemoryBroker::unsubscribe(uint32_t worker, std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.channels.find(name);
    if (it == stripe.channels.end()) return;
    Channel& channel = *it->second;
    std::erase(channel.workers, worker);
    if (channel.workers.empty() && !channel.history && channel.seen.size() == 0) stripe.channels.erase(it);
}

MemoryBroker::Channel& MemoryBroker::numbered(Stripe& stripe, std::string_view name, Now now) {
    auto& channel = stripe.channels[name];
    if (!channel) channel = std::make_unique<Channel>();
    if (!channel->history) channel->history = std::make_unique<History>(new_epoch(), now);
    return *channel;
}

// Under the stripe's lock, so that two publications on a channel reach all inboxes in the same order. An
// inbox takes its own lock inside this one and calls nobody: that is the whole order of locks.
void MemoryBroker::push(const Channel* channel, const Publication& message) const {
    if (channel == nullptr) return;
    for (const uint32_t worker : channel->workers) inboxes_[worker]->push(message);
}

void MemoryBroker::announce(const Publication& message) const {
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
    if (bytes_.load(std::memory_order_relaxed) > most_bytes_) make_room_anywhere();
    return receipt;
}

Receipt MemoryBroker::publish_kept(Draft draft, Stripe& stripe) {
    const Retention retention = draft.retention;
    const bool deduplicated = retention.dedup_ms > 0 && !draft.dedup.empty();
    const std::lock_guard lock(stripe.mutex);
    Channel& channel = numbered(stripe, draft.channel, draft.now);
    if (deduplicated) {
        if (const auto first = channel.seen.find(draft.dedup, draft.now.steady_ms)) {
            ++stripe.duplicates;
            return Receipt{Receipt::Status::duplicate, *first, {}};
        }
    }
    const Position position = retention.history > 0 ? channel.history->next() : Position{};
    if (deduplicated) {
        if (stripe.ids >= most_ids) make_room_for_id(stripe, channel);
        channel.seen.add(std::move(draft.dedup), position, draft.now.steady_ms + retention.dedup_ms);
        ++stripe.ids;
    }
    const Publication message = message_of(draft, position);
    if (retention.history > 0) {
        const size_t before = channel.history->bytes();
        channel.history->append(message, retention, draft.now);
        bytes_.fetch_add(channel.history->bytes() - before, std::memory_order_relaxed);  // perhaps less
        make_room(stripe, channel);
    }
    push(&channel, message);
    return Receipt{Receipt::Status::accepted, position, {}};
}

void MemoryBroker::make_room_for_id(Stripe& stripe, Channel& published) const {
    const auto drop = [&](Channel& channel) {
        if (!channel.seen.drop_oldest()) return false;
        --stripe.ids;
        ++stripe.ids_evicted;
        return true;
    };
    if (drop(published)) return;
    for (auto& [name, channel] : stripe.channels) {
        if (drop(*channel)) return;
    }
}

bool MemoryBroker::drop_oldest(Stripe& stripe, History& history) {
    const size_t before = history.bytes();
    if (!history.drop_oldest()) return false;
    bytes_.fetch_sub(before - history.bytes(), std::memory_order_relaxed);
    ++stripe.evicted;
    return true;
}

// Who fills the memory pays first.
void MemoryBroker::make_room(Stripe& stripe, Channel& published) {
    while (bytes_.load(std::memory_order_relaxed) > most_bytes_ && published.history->messages() > 1)
        drop_oldest(stripe, *published.history);
}

// Then whoever comes, a message of each channel at a time. One stripe is locked at a time.
void MemoryBroker::make_room_anywhere() {
    for (size_t looked = 0; looked < 2 * stripes && bytes_.load(std::memory_order_relaxed) > most_bytes_;
         ++looked) {
        Stripe& stripe = stripes_[next_eviction_.fetch_add(1, std::memory_order_relaxed) % stripes];
        const std::lock_guard lock(stripe.mutex);
        for (auto& [name, channel] : stripe.channels) {
            if (bytes_.load(std::memory_order_relaxed) <= most_bytes_) return;
            if (channel->history) drop_oldest(stripe, *channel->history);
        }
    }
}

std::optional<Page> MemoryBroker::read(Query query, Ticket) {
    Stripe& stripe = stripe_of(query.channel);
    const std::lock_guard lock(stripe.mutex);
    return numbered(stripe, query.channel, query.now).history->read(query);
}

std::optional<Receipt> MemoryBroker::acknowledge(Cursor cursor, Ticket) {
    Stripe& stripe = stripe_of(cursor.channel);
    const std::lock_guard lock(stripe.mutex);
    if (!numbered(stripe, cursor.channel, cursor.now).history->acknowledge(cursor))
        return Receipt{Receipt::Status::refused, {}, "the channel has no message of this epoch and offset"};
    return Receipt{Receipt::Status::accepted, cursor.position, {}};
}

void MemoryBroker::delivered(Cursor cursor) {
    Stripe& stripe = stripe_of(cursor.channel);
    const std::lock_guard lock(stripe.mutex);
    numbered(stripe, cursor.channel, cursor.now).history->delivered(cursor);
}

std::optional<Progress> MemoryBroker::progress(Cursor cursor, Ticket) {
    Stripe& stripe = stripe_of(cursor.channel);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.channels.find(cursor.channel);
    if (it == stripe.channels.end() || !it->second->history) return Progress{};
    return it->second->history->progress(cursor.user);
}

void MemoryBroker::appear(std::string_view channel, std::string_view user, const PresenceRules& rules, Now) {
    presence_.appear(channel, user, rules);
}

void MemoryBroker::disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                             Now now) {
    presence_.disappear(channel, user, rules, now);
}

std::optional<Roster> MemoryBroker::present(std::string_view channel, uint32_t limit, Ticket) {
    return presence_.present(channel, limit);
}

void MemoryBroker::take_seat(std::string_view key, int64_t most, const Occupant& occupant) {
    seats_.take(key, most, occupant,
                [this](const Occupant& oldest) { inboxes_[oldest.worker]->unseat(oldest); });
}

void MemoryBroker::leave_seat(std::string_view key, const Occupant& occupant) {
    seats_.leave(key, occupant);
}

// A stripe at a time: each is looked at every few seconds.
void MemoryBroker::tick(Now now) {
    presence_.tick(now);
    Stripe& stripe = stripes_[next_sweep_++ % stripes];
    const std::lock_guard lock(stripe.mutex);
    sweep(stripe, now);
}

void MemoryBroker::sweep(Stripe& stripe, Now now) {
    absl::erase_if(stripe.channels, [&](auto& item) {
        Channel& channel = *item.second;
        stripe.ids -= channel.seen.size();
        channel.seen.expire(now.steady_ms);
        stripe.ids += channel.seen.size();
        if (!channel.history) return channel.workers.empty() && channel.seen.size() == 0;
        History& history = *channel.history;
        const size_t before = history.bytes();
        history.expire(now.steady_ms);
        bytes_.fetch_sub(before - history.bytes(), std::memory_order_relaxed);
        // With the last trace of it goes the numbering, and the next has another epoch.
        return channel.workers.empty() && channel.seen.size() == 0 && history.empty() &&
               now.steady_ms - history.touched_ms() > forget_after_ms;
    });
}

BrokerTotals MemoryBroker::totals() const {
    BrokerTotals totals;
    totals.bytes = bytes_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < stripes; ++i) {
        const Stripe& stripe = stripes_[i];
        const std::lock_guard lock(stripe.mutex);
        totals.evicted += stripe.evicted;
        totals.ids_evicted += stripe.ids_evicted;
        totals.duplicates += stripe.duplicates;
        for (const auto& [name, channel] : stripe.channels) {
            if (!channel->history) continue;
            ++totals.channels;
            totals.messages += channel->history->messages();
        }
    }
    return totals;
}

}  // namespace wayleave
