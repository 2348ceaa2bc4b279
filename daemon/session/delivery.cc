#include "daemon/session/delivery.h"

#include <algorithm>

#include "daemon/base/check.h"

namespace wayleave {
namespace {

// What is delivered before the sockets are offered it: what one write takes, and a fraction of a queue. More
// would not join any better.
constexpr size_t bytes_at_once = 64 << 10;
constexpr size_t most_at_once = 256;

}  // namespace

Delivery::Delivery(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Replayer& replayer,
                   DeliveryNotes& notes, Outbox& outbox, Counters& counters)
    : hub_(hub),
      subscriptions_(subscriptions),
      replayer_(replayer),
      notes_(notes),
      outbox_(outbox),
      counters_(counters),
      conflator_(hub, subscriptions, bindings, counters,
                 [this](Channel& channel, const Publication& publication, Now now) {
                     deliver(channel, publication, now);
                 }) {}

size_t Delivery::deliver(std::span<const Publication> publications, Allowance& allowance, Now now) {
    size_t done = 0;
    size_t bytes = 0;
    to_stalled_ = 0;
    for (const Publication& publication : publications) {
        const size_t size = publication->frame.bytes().size();
        const bool full = done == most_at_once || (done > 0 && bytes + size > bytes_at_once);
        if (full || allowance.used_up()) break;
        const uint64_t before = counters_.deliveries.get();
        take(publication, now);
        const size_t deliveries = counters_.deliveries.get() - before;
        allowance.use(std::max<size_t>(1, deliveries), deliveries * size);
        bytes += size;
        ++done;
    }
    allowance.stalled += to_stalled_;
    return done;
}

void Delivery::take(const Publication& publication, Now now) {
    Channel* channel = hub_.find(publication->channel);
    if (!channel) return;
    if (publication->stands) {
        if (channel->gathered) conflator_.release(*channel, now);  // they are of the numbering before
        return stand(*channel, publication->position, now);
    }
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(*channel, now);
    if (rules.conflate_ms + rules.batch_ms > 0 && !publication->announcement)
        return conflator_.gather(*channel, publication, rules, now);
    // A reload has ended the window; announcements overtake it.
    if (channel->gathered && !publication->announcement) conflator_.release(*channel, now);
    deliver(*channel, publication, now);
}

// Another numbering; or in the same one there are messages that nobody can bring: who listens asks for them,
// and hears that they are gone.
void Delivery::stand(Channel& channel, Position top, Now now) {
    replayer_.note_epoch(channel, top, now);
    channel.seen.offset = std::max(channel.seen.offset, top.offset);
    for (const Subscriber& subscriber : channel.subscribers) {
        if (subscriber.offset < top.offset) replayer_.fall_behind(*subscriber.session, channel, now);
    }
}

void Delivery::deliver(Channel& channel, const Publication& publication, Now now) {
    const Position position = publication->position;
    const bool numbered = position.epoch != 0;
    if (numbered) replayer_.note_epoch(channel, {position.epoch, position.offset - 1}, now);
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    if (numbered) channel.seen.offset = std::max(channel.seen.offset, position.offset);
    const Subscriber* const first = channel.subscribers.data();
    const size_t all = channel.subscribers.size();
    for (Subscriber& subscriber : channel.subscribers) {
        Session& session = *subscriber.session;
        if (numbered && subscriber.offset >= position.offset) continue;
        if (numbered && subscriber.offset + 1 != position.offset) {
            replayer_.fall_behind(session, channel, now);
        } else {
            subscriber.offset = numbered ? position.offset : subscriber.offset;
            if (numbered) Replayer::note_number(session, channel, subscriber);
            if (session.number == publication->except) continue;
            counters_.deliveries.add();
            to_stalled_ += session.stalled ? 1 : 0;
            if (rules.acks) notes_.owe(session, channel);
            outbox_.send_publication(session, publication, rules, now);
        }
    }
    check(channel.subscribers.data() == first && channel.subscribers.size() == all,
          "delivery: a subscriber came or went in the middle of it");
}

}  // namespace wayleave
