#include "daemon/session/delivery.h"

#include <algorithm>

#include "daemon/base/check.h"
#include "daemon/session/publication_run.h"
#include "daemon/session/tracer.h"

namespace wayleave {
namespace {

// What is delivered before the sockets are offered it: what one write takes, and a fraction of a queue. More
// would not join any better.
constexpr size_t bytes_at_once = 64 << 10;
constexpr size_t most_at_once = 256;

// Sessions whose memory is on its way while one is worked on.
constexpr size_t ahead = 4;

size_t fitting_at_once(std::span<const Publication> publications) {
    size_t bytes = 0;
    size_t fitting = 0;
    for (const Publication& publication : publications.first(std::min(publications.size(), most_at_once))) {
        bytes += publication->frame.bytes().size();
        if (fitting > 0 && bytes > bytes_at_once) break;
        ++fitting;
    }
    return fitting;
}

}  // namespace

Delivery::Delivery(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Replayer& replayer,
                   DeliveryNotes& notes, Outbox& outbox, Tracer& tracer, Counters& counters)
    : hub_(hub),
      subscriptions_(subscriptions),
      replayer_(replayer),
      notes_(notes),
      outbox_(outbox),
      tracer_(tracer),
      counters_(counters),
      conflator_(hub, subscriptions, bindings, counters,
                 [this](Channel& channel, const Publication& publication, Now now) {
                     deliver(channel, {&publication, 1}, now);
                 }) {}

size_t Delivery::deliver(std::span<const Publication> publications, Allowance& allowance, Now now) {
    size_t done = 0;
    to_stalled_ = 0;
    publications = publications.first(fitting_at_once(publications));
    while (done < publications.size() && !allowance.used_up()) {
        const uint64_t before = counters_.deliveries.get();
        const size_t taken = take(publications.subspan(done), allowance, now);
        const size_t deliveries = counters_.deliveries.get() - before;
        const size_t bytes = bytes_of(publications.subspan(done, taken));
        allowance.use(std::max(taken, Allowance::cost(deliveries, taken)), deliveries * bytes / taken,
                      std::max(taken, deliveries));
        done += taken;
    }
    allowance.stalled += to_stalled_;
    return done;
}

size_t Delivery::take(std::span<const Publication> publications, const Allowance& allowance, Now now) {
    const Publication& first = publications.front();
    Channel* channel = hub_.find(first->channel);
    if (!channel) return 1;
    if (first->stands) {
        if (channel->gathered) conflator_.release(*channel, now);  // they are of the numbering before
        stand(*channel, first->position, now);
        return 1;
    }
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(*channel, now);
    if (rules.conflate_ms + rules.batch_ms > 0 && !first->announcement) {
        conflator_.gather(*channel, first, rules, now);
        return 1;
    }
    // A reload has ended the window; announcements overtake it.
    if (channel->gathered && !first->announcement) conflator_.release(*channel, now);
    publications = publications.first(run_length(publications, channel->subscribers.size(), allowance));
    deliver(*channel, publications, now);
    return publications.size();
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

void Delivery::deliver(Channel& channel, std::span<const Publication> publications, Now now) {
    const Position first = publications.front()->position;
    if (first.epoch != 0) {
        replayer_.note_epoch(channel, {first.epoch, first.offset - 1}, now);
        for (const Publication& publication : publications)
            channel.seen.offset = std::max(channel.seen.offset, publication->position.offset);
    }
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    PublicationRun run(publications);
    const std::span subscribers(channel.subscribers);
    for (const Subscriber& first_of_all : subscribers.first(std::min(ahead, subscribers.size())))
        first_of_all.session->prefetch();
    for (size_t i = 0; i < subscribers.size(); ++i) {
        if (i + ahead < subscribers.size()) subscribers[i + ahead].session->prefetch();
        give(subscribers[i], channel, run, rules, now);
    }
    if (tracer_.on()) tracer_.delivered(channel, publications);
    check(
        channel.subscribers.data() == subscribers.data() && channel.subscribers.size() == subscribers.size(),
        "delivery: a subscriber came or went in the middle of it");
}

void Delivery::give(Subscriber& subscriber, Channel& channel, PublicationRun& run,
                    const dsl::ChannelRules& rules, Now now) {
    Session& session = *subscriber.session;
    const size_t messages = run.publications().size();
    if (run.is_whole_for(subscriber) && outbox_.takes_as_one(session, run.bytes(), messages)) {
        subscriber.offset = run.last().epoch != 0 ? run.last().offset : subscriber.offset;
        counters_.deliveries.add(messages);
        for (size_t i = 0; rules.acks && i < messages; ++i) notes_.owe(session, channel);
        outbox_.send_as_one(session, run.joined(), messages, run.lane().value_or(rules.lane), now);
        return;
    }
    for (const Publication& publication : run.publications()) {
        const Position position = publication->position;
        if (position.epoch != 0) {
            if (subscriber.offset >= position.offset) continue;
            if (subscriber.offset + 1 != position.offset)
                return replayer_.fall_behind(session, channel, now);  // the rest of the run is read, too
            subscriber.offset = position.offset;
            Replayer::note_number(session, channel, subscriber);
        }
        if (session.number == publication->except) continue;
        counters_.deliveries.add();
        to_stalled_ += session.stalled ? 1 : 0;
        if (rules.acks) notes_.owe(session, channel);
        outbox_.send_publication(session, publication, rules, now);
    }
}

}  // namespace wayleave
