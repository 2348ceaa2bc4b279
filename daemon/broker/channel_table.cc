#include "daemon/broker/channel_table.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/string_map.h"
#include "daemon/broker/page.h"

namespace wayleave {
namespace {

constexpr size_t table_stripes = 64;  // locks: two workers rarely want the same
constexpr size_t overhead = 256;      // of a message beside its bytes: about
constexpr size_t least_compacted = 4096;
constexpr size_t most_workers = 4096;
constexpr size_t most_unwoken = 64;  // messages: a fraction of a millisecond

size_t size_of(const Publication& message) {
    return message->frame.bytes().size() + message->channel.size() + overhead;
}

}  // namespace

struct ChannelTable::Channel {
    struct Entry {
        Publication message;
        int64_t at = 0;
    };

    std::string name;
    std::vector<uint32_t> workers;
    uint32_t queued = 0;
    uint32_t held = 0;   // by pages that are read from the disk
    bool known = false;  // the top
    Position top;
    Position noted;          // see there
    std::deque<Entry> tail;  // dense: the last is the top

    void move(Position to) {
        if (noted.epoch == top.epoch && noted.epoch != to.epoch) noted = {};
        known = true;
        top = to;
    }
    // Whether a position elsewhere is further than what has come, or of another numbering.
    [[nodiscard]] bool behind(const Position& position) const {
        return position.epoch != top.epoch || position.offset > top.offset;
    }
    [[nodiscard]] bool behind(const Query& query) const {
        return (noted.epoch != 0 && behind(noted)) || (query.since && behind(*query.since)) ||
               (query.above && behind(*query.above));
    }
    [[nodiscard]] bool idle() const { return workers.empty() && queued == 0 && held == 0 && tail.empty(); }
    [[nodiscard]] std::optional<Extent> extent(const Query& query, int64_t now) const;
};

// A cache line of its own, or the locks of neighbours would slow each other down.
struct alignas(64) ChannelTable::Stripe {
    mutable std::mutex mutex;
    StringMap<std::shared_ptr<Channel>> channels;  // no idle ones

    [[nodiscard]] Channel* find(std::string_view name) const {
        const auto it = channels.find(name);
        return it == channels.end() ? nullptr : it->second.get();
    }
    [[nodiscard]] const std::shared_ptr<Channel>& make(std::string_view name) {
        auto& channel = channels[name];
        if (!channel) {
            channel = std::make_shared<Channel>();
            channel->name = name;
        }
        return channel;
    }
    void forget_if_idle(std::string_view name) {
        const auto it = channels.find(name);
        if (it != channels.end() && it->second->idle()) channels.erase(it);
    }
};

ChannelTable::ChannelTable(size_t most_bytes, Numbered numbered)
    : inboxes_(most_workers),
      patient_(most_workers),
      numbered_(numbered),
      stripes_(std::make_unique<Stripe[]>(table_stripes)),
      most_bytes_(most_bytes) {}
ChannelTable::~ChannelTable() = default;

ChannelTable::Stripe& ChannelTable::stripe_of(std::string_view channel) const {
    return stripes_[stripe_for(channel, table_stripes)];
}

uint32_t ChannelTable::add_inbox(Inbox& inbox) {
    check(workers_ < most_workers, "channels: more workers than there are places");
    inboxes_[workers_] = &inbox;
    patient_[workers_] = dynamic_cast<PatientInbox*>(&inbox);
    return workers_++;
}

bool ChannelTable::subscribe(uint32_t worker, std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    auto& workers = stripe.make(name)->workers;
    if (std::find(workers.begin(), workers.end(), worker) == workers.end()) workers.push_back(worker);
    return workers.size() == 1;
}

bool ChannelTable::unsubscribe(uint32_t worker, std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return false;
    std::erase(channel->workers, worker);
    const bool last = channel->workers.empty();
    stripe.forget_if_idle(name);
    return last;
}

bool ChannelTable::heard(std::string_view name) const {
    const Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    const Channel* channel = stripe.find(name);
    return channel != nullptr && !channel->workers.empty();
}

void ChannelTable::push(const Channel& channel, const Publication& message) const {
    for (const uint32_t worker : channel.workers) inboxes_[worker]->push(message);
}

void ChannelTable::push_asleep(const Channel& channel, const Publication& message) {
    for (const uint32_t worker : channel.workers) {
        PatientInbox* inbox = patient_[worker];
        if (inbox == nullptr) {
            inboxes_[worker]->push(message);
        } else if (inbox->push_without_waking(message)) {
            asleep_.push_back(inbox);
        }
    }
}

void ChannelTable::wake() {
    unwoken_ = 0;
    for (PatientInbox* inbox : asleep_) inbox->wake();
    asleep_.clear();
}

void ChannelTable::queue(std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    ++stripe.make(name)->queued;
}

bool ChannelTable::push_or_queue(const Publication& message) {
    Stripe& stripe = stripe_of(message->channel);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(message->channel);
    if (channel == nullptr) return true;
    if (channel->queued > 0) {
        ++channel->queued;
        return false;
    }
    push(*channel, message);
    return true;
}

void ChannelTable::announce(const Publication& message) const {
    const Stripe& stripe = stripe_of(message->channel);
    const std::lock_guard lock(stripe.mutex);
    if (const Channel* channel = stripe.find(message->channel)) push(*channel, message);
}

// Under the stripe's lock, so that who subscribes finds a message either in a page or in its inbox.
template <class Push>
void ChannelTable::accept(const Publication& message, int64_t at, uint32_t history, Push deliver) {
    Stripe& stripe = stripe_of(message->channel);
    {
        const std::lock_guard lock(stripe.mutex);
        const std::shared_ptr<Channel> channel = stripe.make(message->channel);
        channel->queued -= std::min<uint32_t>(channel->queued, 1);
        if (message->position.epoch != 0) {
            channel->move(message->position);
            keep(channel, message, at, history);
        }
        deliver(*channel);
        if (channel->idle()) stripe.channels.erase(message->channel);
    }
    make_room();
}

void ChannelTable::accepted(const Publication& message, int64_t at, uint32_t history) {
    accept(message, at, history, [&](const Channel& channel) { push(channel, message); });
}

void ChannelTable::accepted_asleep(const Publication& message, int64_t at, uint32_t history) {
    accept(message, at, history, [&](const Channel& channel) { push_asleep(channel, message); });
    if (++unwoken_ >= most_unwoken) wake();
}

void ChannelTable::let_go(std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    channel->queued -= std::min<uint32_t>(channel->queued, 1);
    stripe.forget_if_idle(name);
}

std::optional<Position> ChannelTable::told(std::string_view name) const {
    const Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    const Channel* channel = stripe.find(name);
    if (channel == nullptr || !channel->known) return std::nullopt;
    return channel->top;
}

bool ChannelTable::in_use(std::string_view name) const {
    const Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    return stripe.find(name) != nullptr;
}

// --- what is numbered elsewhere ---

void ChannelTable::stands(std::string_view name, Position top) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    if (!channel->tail.empty() && channel->tail.back().message->position != top) clear(*channel);
    channel->move(top);
}

void ChannelTable::pause(std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    if (Channel* channel = stripe.find(name)) channel->known = false;
}

void ChannelTable::noted(std::string_view name, Position position) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    const bool further = channel->noted.epoch != position.epoch || channel->noted.offset < position.offset;
    if (further) channel->noted = position;
}

void ChannelTable::tell(std::string_view name, Position top) const {
    const Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    const Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    auto message = std::make_shared<Message>(std::string(name), top, "");
    message->stands = true;
    push(*channel, message);
}

// --- the newest messages ---

// Only where somebody listens, or where a part is kept already: it must not have gaps.
void ChannelTable::keep(const std::shared_ptr<Channel>& channel, const Publication& message, int64_t at,
                        uint32_t history) {
    if (channel->workers.empty() && channel->tail.empty()) return;
    if (!channel->tail.empty()) {
        const Position& last = channel->tail.back().message->position;
        if (message->position != Position{last.epoch, last.offset + 1}) clear(*channel);
    }
    channel->tail.push_back({message, at});
    bytes_ += size_of(message);
    ++messages_;
    order_.push_back({channel, message->position});
    while (channel->tail.size() > history) pop(*channel);
}

void ChannelTable::pop(Channel& channel) {
    bytes_ -= size_of(channel.tail.front().message);
    --messages_;
    channel.tail.pop_front();
}

void ChannelTable::clear(Channel& channel) {
    while (!channel.tail.empty()) pop(channel);
}

// The oldest of all goes first.
void ChannelTable::make_room() {
    while (!order_.empty() && bytes() > most_bytes_) {
        const Kept oldest = std::move(order_.front());
        order_.pop_front();
        Stripe& stripe = stripe_of(oldest.channel->name);
        const std::lock_guard lock(stripe.mutex);
        auto& tail = oldest.channel->tail;
        if (tail.empty() || tail.front().message->position != oldest.position) continue;
        pop(*oldest.channel);
        stripe.forget_if_idle(oldest.channel->name);
    }
    if (order_.size() > 2 * messages() + least_compacted) compact();
}

// Of a channel with a short history most entries are gone by the time they are the oldest of all.
void ChannelTable::compact() {
    std::erase_if(order_, [this](const Kept& kept) {
        const Stripe& stripe = stripe_of(kept.channel->name);
        const std::lock_guard lock(stripe.mutex);
        const auto& tail = kept.channel->tail;
        if (tail.empty()) return true;
        const Position& first = tail.front().message->position;
        return first.epoch != kept.position.epoch || first.offset > kept.position.offset;
    });
}

// --- pages ---

// What is known without the disk, if that is enough for the query. `oldest` is then the first in memory that
// is within the retention: what the page needs of the true one is only that it is no later.
std::optional<Extent> ChannelTable::Channel::extent(const Query& query, int64_t now) const {
    if (!known) return std::nullopt;
    const uint64_t counted = top.offset - std::min<uint64_t>(top.offset, query.retention.history);
    const int64_t too_old = now - query.retention.keep_ms;
    const auto within = std::partition_point(tail.begin(), tail.end(), [&](const Entry& entry) {
        return entry.message->position.offset <= counted || entry.at <= too_old;
    });
    const bool none = within == tail.end();
    const Extent extent{top, none ? top.offset + 1 : within->message->position.offset, false, 0};
    // Nothing older than that is within the retention.
    const bool whole = within != tail.begin() || extent.oldest == 1;
    if (query.reverse) {
        const uint64_t before = query.since && query.since->epoch == top.epoch
                                    ? std::min(query.since->offset, top.offset + 1)
                                    : top.offset + 1;
        const bool enough = before >= extent.oldest && before - extent.oldest >= query.limit;
        // Whether anything is missing is known where the whole way down to it is here.
        const bool here =
            !query.above || (query.above->epoch == top.epoch && query.above->offset <= top.offset &&
                             query.above->offset + 1 >= extent.oldest);
        return whole || (enough && here) ? std::optional(extent) : std::nullopt;
    }
    if (query.since) {
        const bool here = query.since->epoch == top.epoch && query.since->offset <= top.offset;
        if (here ? query.since->offset + 1 >= extent.oldest : !query.rest) return extent;
        return whole ? std::optional(extent) : std::nullopt;
    }
    if (query.oldest) return whole ? std::optional(extent) : std::nullopt;
    return query.user.empty() ? std::optional(extent) : std::nullopt;  // cursors are on the disk
}

std::optional<Page> ChannelTable::read(const Query& query, int64_t now) {
    Stripe& stripe = stripe_of(query.channel);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(query.channel);
    const bool asks_elsewhere =
        channel == nullptr || (numbered_ == Numbered::elsewhere && channel->behind(query));
    const auto extent = asks_elsewhere ? std::nullopt : channel->extent(query, now);
    if (!extent) {
        ++stripe.make(query.channel)->held;
        return std::nullopt;
    }
    const PagePlan plan = plan_page(query, *extent);
    Page page = begin_page(plan, extent->top);
    size_t bytes = 0;
    uint64_t offset = plan.first;
    for (uint64_t left = plan.count; left > 0; --left, offset += query.reverse ? -uint64_t{1} : 1) {
        const uint64_t place = offset - channel->tail.front().message->position.offset;
        if (!add_to_page(page, bytes, query, channel->tail.at(place).message)) break;
    }
    return page;
}

void ChannelTable::learnt(std::string_view name, Position top) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel& channel = *stripe.make(name);
    channel.held -= std::min<uint32_t>(channel.held, 1);
    // What was accepted meanwhile is newer. It was not forgotten meanwhile, since it was held.
    if (!channel.known) {
        channel.known = true;
        channel.top = top;
    }
    stripe.forget_if_idle(name);
}

void ChannelTable::given_up(std::string_view name) {
    Stripe& stripe = stripe_of(name);
    const std::lock_guard lock(stripe.mutex);
    Channel* channel = stripe.find(name);
    if (channel == nullptr) return;
    channel->held -= std::min<uint32_t>(channel->held, 1);
    stripe.forget_if_idle(name);
}

}  // namespace wayleave
