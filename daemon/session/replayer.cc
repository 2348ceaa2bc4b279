#include "daemon/session/replayer.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/decision/grant.h"
#include "daemon/message/sse.h"

namespace wayleave {
namespace {

// A replay goes on when less than this waits, and by so much: a slow reader holds little of it in memory, and
// a fast one comes back for the next page within the same turn. Never as much as makes a reader too slow.
constexpr size_t replay_bytes = 32 << 10;
constexpr size_t replay_messages = 200;

// When the grant ends by which the session is in the channel; 0: by none, or it has no end.
int64_t expiry_in(const Session& session, const Channel& channel) {
    const HeldGrant* grant = held_grant(session, &channel);
    return grant ? grant->expires_ms : 0;
}

// Whether it is for this client to acknowledge what it hears in a channel.
bool acknowledges(const Session& session, const dsl::ChannelRules& rules) {
    return rules.acks && !session.user.empty();
}

// There is no replay without a subscription: whoever leaves a channel forgets it.
Subscriber& subscriber_in(const Hub& hub, Session& session, const Channel& channel) {
    Subscriber* subscriber = hub.subscriber(session, channel);
    check(subscriber != nullptr, "replay: its session is not in the channel");
    return *subscriber;
}

// Where a joined channel goes on. Who has a cursor there needs no id.
std::optional<Position> resume_from(const Session& session, const Channel& channel, bool by_cursor) {
    if (!session.events || !session.events->resumed) return std::nullopt;
    const auto known = session.events->resumed->find(mark_of(channel));
    return known || by_cursor ? known : std::optional(Position{});
}

}  // namespace

Subscribed subscribed_to(const Session& session, const Channel& channel, const dsl::ChannelRules& rules) {
    Subscribed out;
    out.channel = channel.name;
    out.expires_ms = expiry_in(session, channel);
    out.acks = acknowledges(session, rules);
    return out;
}

Replayer::Replayer(const SessionTable& sessions, Hub& hub, Broker& broker, Subscriptions& subscriptions,
                   BrokerRequests& requests, DeliveryNotes& notes, Outbox& outbox, Replies& replies,
                   Tracer& tracer, Counters& counters)
    : sessions_(sessions),
      hub_(hub),
      broker_(broker),
      subscriptions_(subscriptions),
      requests_(requests),
      notes_(notes),
      outbox_(outbox),
      replies_(replies),
      tracer_(tracer),
      counters_(counters) {}

// --- where a subscription begins ---

void Replayer::begin(Session& session, Channel& channel, const ReplyTo& re, std::optional<Position> since,
                     Now now) {
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    if (rules.history == 0) {
        Subscribed subscribed = subscribed_to(session, channel, rules);
        if (since) subscribed.recovered = false;
        return replies_.reply(session, re, subscribed_text(re.id, subscribed), now, rules.lane,
                              Word::beginning);
    }
    answer_waiting(session, channel, now);
    forget_replay(session, &channel);
    Subscriber& subscriber = subscriber_in(hub_, session, channel);
    subscriber.offset = Subscriber::catching_up;
    note_number(session, channel, subscriber);
    session.replays.push_back({&channel, re, since, 0, 0, 0, false, acknowledges(session, rules)});
    replay_some(session, now);
}

void Replayer::answer_waiting(Session& session, Channel& channel, Now now) {
    Replay* replay = replay_of(session, &channel);
    if (!replay || replay->announced || !replay->re.wanted()) return;
    const ReplyTo re = std::exchange(replay->re, {});
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    replies_.reply(session, re, subscribed_text(re.id, subscribed_to(session, channel, rules)), now,
                   rules.lane, Word::beginning);
}

void Replayer::note_number(Session& session, Channel& channel, Subscriber& subscriber) {
    if (!session.events || subscriber.numbered) return;
    subscriber.numbered = true;
    session.events->numbered.push_back(&channel);
}

Hello::Joined Replayer::begin_joined(Session& session, Channel& channel, Now now) {
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    Hello::Joined joined{channel.name};
    joined.acks = acknowledges(session, rules);
    if (rules.history == 0) return joined;
    Subscriber& subscriber = subscriber_in(hub_, session, channel);
    subscriber.offset = Subscriber::catching_up;
    note_number(session, channel, subscriber);
    Replay& replay = session.replays.emplace_back();
    replay.channel = &channel;
    replay.by_cursor = joined.acks;
    replay.since = resume_from(session, channel, replay.by_cursor);
    Query query = query_of(session, replay, rules, now);
    query.limit = 0;
    const Ticket ticket = requests_.next_ticket(session);
    const auto page = broker_.read(std::move(query), ticket);
    if (!page) {
        replay.ticket = ticket.number;
        requests_.expect(ticket, {session.id, BrokerRequest::Kind::replay, {}, &channel}, now);
    }
    if (!page || !page->because.empty()) return joined;
    note_epoch(channel, page->top, now);
    replay.announced = true;
    replay.epoch = page->top.epoch;
    replay.after = page->after;
    joined.position = page->top;
    if (replay.by_cursor || replay.since) joined.recovered = page->recovered;
    return joined;
}

void Replayer::fall_behind(Session& session, Channel& channel, Now now) {
    Subscriber& subscriber = subscriber_in(hub_, session, channel);
    Replay replay{
        &channel,          {}, {},   channel.seen.epoch,
        subscriber.offset, 0,  true, acknowledges(session, subscriptions_.adopt_policy(channel, now))};
    subscriber.offset = Subscriber::catching_up;
    session.replays.push_back(std::move(replay));
    behind_.push_back(session.id);
}

void Replayer::catch_up(Now now) {
    for (const ConnectionId id : std::exchange(behind_, {})) {
        Session* session = sessions_.find(id);
        if (session && session->state == Session::State::open) replay_some(*session, now);
    }
}

QueueBounds Replayer::page_of(const Session& session) const {
    const QueueBounds bounds = outbox_.bounds_of(session);
    return {std::min(replay_bytes, bounds.bytes / 2),
            std::clamp<size_t>(bounds.frames / 2, 1, replay_messages)};
}

// A page that is on its way may fill it.
bool Replayer::has_room(const Session& session) const {
    return session.queue.bytes() < page_of(session).bytes &&
           std::none_of(session.replays.begin(), session.replays.end(),
                        [](const Replay& replay) { return replay.ticket != 0; });
}

void Replayer::replay_some(Session& session, Now now) {
    for (size_t i = 0; session.state == Session::State::open && i < session.replays.size();) {
        const Channel* channel = session.replays[i].channel;
        Replay& replay = session.replays[i];
        const bool may_ask = replay.ticket == 0 && (!replay.announced || has_room(session));
        const bool goes_on = may_ask && ask_for_page(session, replay, now);
        // It may be over, or have made place for another.
        const bool same = i < session.replays.size() && session.replays[i].channel == channel;
        if (same && !goes_on) ++i;
    }
}

Query Replayer::query_of(const Session& session, const Replay& replay, const dsl::ChannelRules& rules,
                         Now now) {
    Query query = wayleave::query_of(replay.channel->name, rules, now);
    query.since = replay.announced ? std::optional(Position{replay.epoch, replay.after}) : replay.since;
    if (replay.by_cursor && !query.since) query.user = session.user;
    query.rest = replay.by_cursor;
    return query;
}

// True if a page was taken at once.
bool Replayer::ask_for_page(Session& session, Replay& replay, Now now) {
    Channel& channel = *replay.channel;
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    Query query = query_of(session, replay, rules, now);
    const QueueBounds bounds = page_of(session);
    // Who asks for many channels at once is told at once where each stands, and gets what was missed in turn.
    query.limit = has_room(session) ? static_cast<uint32_t>(bounds.frames) : 0;
    query.bytes = bounds.bytes;
    const Ticket ticket = requests_.next_ticket(session);
    const auto page = broker_.read(std::move(query), ticket);
    if (!page) {
        replay.ticket = ticket.number;
        requests_.expect(ticket, {session.id, BrokerRequest::Kind::replay, {}, &channel}, now);
        return false;
    }
    return apply_page(session, &channel, 0, *page, now);
}

// False if it is over, one way or another.
bool Replayer::apply_page(Session& session, const Channel* which, uint64_t ticket, const Page& page,
                          Now now) {
    Replay* replay = replay_of(session, which);
    // The client may have begun anew since it was asked for, and waits for another page.
    if (!replay || replay->ticket != ticket) return false;
    replay->ticket = 0;
    if (!page.because.empty()) {
        give_up(session, *replay, page.because, now);
        return false;
    }
    Channel& channel = *replay->channel;
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    note_epoch(channel, page.top, now);
    announce(session, *replay, page, rules, now);
    replay->after = page.after + page.messages.size();
    const uint64_t after = replay->after;
    for (const Publication& message : page.messages) {
        if (message->except == session.number) continue;
        counters_.replayed.add();
        if (tracer_.on()) tracer_.replayed(session, channel, message);
        if (rules.acks) notes_.owe(session, channel);
        outbox_.send_publication(session, message, rules, now);
    }
    const uint64_t newest = std::max(page.top.offset, channel.seen.offset);
    if (after < newest) {
        // Not yet where we look. Where there was no room for them, what is sent makes it.
        if (page.messages.empty() && !page.more) waiting_.push_back(session.id);
        return !page.messages.empty();
    }
    subscriber_in(hub_, session, channel).offset = after;
    forget_replay(session, &channel);
    return false;
}

// Where the messages begin, unless the reader knows it.
void Replayer::announce(Session& session, Replay& replay, const Page& page, const dsl::ChannelRules& rules,
                        Now now) {
    const bool known = replay.announced && page.recovered;
    const bool asked = replay.since || replay.by_cursor || replay.announced;
    replay.announced = true;
    replay.epoch = page.top.epoch;
    replay.after = page.after;
    if (known) return;
    const ReplyTo re = std::exchange(replay.re, {});
    Subscribed subscribed = subscribed_to(session, *replay.channel, rules);
    subscribed.position = page.top;
    if (asked) subscribed.recovered = page.recovered;
    replies_.reply(session, re, subscribed_text(re.id, subscribed), now, rules.lane, Word::beginning);
}

void Replayer::give_up(Session& session, const Replay& replay, const std::string& because, Now now) {
    const std::string channel = replay.channel->name;
    const ReplyTo re = replay.re;
    const dsl::Lane lane = subscriptions_.adopt_policy(*replay.channel, now).lane;
    const bool asked = !replay.announced && re.wanted();
    (void)subscriptions_.leave(session, channel, now);
    if (asked) return replies_.reject(session, re, Rejection::of(Reason::unavailable, because), now);
    outbox_.send_text(session, unsubscribed_text(channel, to_string(Reason::unavailable), because), now,
                      lane);
}

void Replayer::take_page(Session& session, const Channel* channel, uint64_t ticket, const Page& page,
                         Now now) {
    (void)apply_page(session, channel, ticket, page, now);
    replay_some(session, now);
}

void Replayer::tick(Now now) {
    for (const ConnectionId id : std::exchange(waiting_, {})) {
        Session* session = sessions_.find(id);
        if (session && session->state == Session::State::open) replay_some(*session, now);
    }
}

void Replayer::note_epoch(Channel& channel, Position top, Now now) {
    if (channel.seen.epoch == top.epoch) return;
    const bool lost = channel.seen.epoch != 0;
    channel.seen = top;
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
    for (Subscriber& subscriber : channel.subscribers) {
        if (subscriber.offset == Subscriber::catching_up) continue;
        subscriber.offset = top.offset;
        if (!lost) continue;
        Subscribed subscribed = subscribed_to(*subscriber.session, channel, rules);
        subscribed.position = channel.seen;
        subscribed.recovered = false;
        outbox_.send_text(*subscriber.session, subscribed_text("", subscribed), now, rules.lane,
                          Word::beginning);
    }
}

}  // namespace wayleave
