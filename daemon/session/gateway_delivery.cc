// What the subscribers of a channel get: each message once and in order, or word of the gap.
#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

// A replay goes on when less than this waits, and by so much: a slow reader holds little of it in memory, and
// a fast one comes back for the next page within the same turn. Never as much as makes a reader too slow.
constexpr size_t replay_bytes = 32 << 10;
constexpr size_t replay_messages = 200;

// What is delivered before the sockets are offered it: what one write takes, and a fraction of a queue. More
// would not join any better.
constexpr size_t bytes_at_once = 64 << 10;
constexpr size_t most_gathered = 16;  // queues' worth, by all channels with `conflate` or `batch`
constexpr size_t most_at_once = 256;

Replay* replay_of(Session& session, const Channel* channel) {
    const auto it = std::find_if(session.replays.begin(), session.replays.end(),
                                 [&](const Replay& replay) { return replay.channel == channel; });
    return it == session.replays.end() ? nullptr : &*it;
}

void forget_replay(Session& session, const Channel* channel) {
    std::erase_if(session.replays, [&](const Replay& replay) { return replay.channel == channel; });
}

// What points to a channel that the session leaves.
void forget_lists(Session& session, Channel* channel) {
    if (session.owed) std::erase(*session.owed, channel);
    if (!session.events) return;
    std::erase(session.events->numbered, channel);
    std::erase(session.events->posted, channel->name);
}

PresenceRules presence_rules(const dsl::ChannelRules& rules) {
    return {rules.join_leave, rules.presence_grace_ms};
}

}  // namespace

// --- the rules of a channel ---

// Looked up anew after a reload, when the channel is next used.
const dsl::ChannelRules& Gateway::Impl::rules_of(Channel& channel, Now now) {
    if (channel.generation == runtime_->generation && channel.rules) return *channel.rules;
    channel.rules = &runtime_->policy->channel_rules(channel.name);
    channel.generation = runtime_->generation;
    if (channel.rules->presence != channel.presence) {
        channel.presence = channel.rules->presence;
        const PresenceRules rules = presence_rules(*channel.rules);
        for (const Subscriber& subscriber : channel.subscribers) {
            if (channel.presence) {
                broker.appear(channel.name, subscriber.session->shown_user(), rules, now);
            } else {
                broker.disappear(channel.name, subscriber.session->shown_user(), rules, now);
            }
        }
    }
    return *channel.rules;
}

const dsl::ChannelRules& Gateway::Impl::rules_of(std::string_view name, Now now) {
    Channel* channel = hub_.find(name);
    return channel ? rules_of(*channel, now) : runtime_->policy->channel_rules(name);
}

// --- coming and going ---

// Null if it is subscribed already.
Channel* Gateway::Impl::enter_channel(Session& session, std::string_view name, bool joined, Now now) {
    if (Channel* known = hub_.find(name)) (void)rules_of(*known, now);  // before one more is in it
    Channel* channel = hub_.subscribe(session, name, joined);
    if (!channel) return nullptr;
    if (channel->rules) {
        if (channel->presence)
            broker.appear(name, session.shown_user(), presence_rules(*channel->rules), now);
    } else {
        (void)rules_of(*channel, now);  // counts those who are in it
    }
    return channel;
}

bool Gateway::Impl::leave_channel(Session& session, std::string_view name, Now now) {
    Channel* channel = hub_.find(name);
    if (!channel || !hub_.subscriber(session, *channel)) return false;
    std::erase_if(session.counted, [&](const Counted& counted) {
        if (counted.channel != channel) return false;
        limits.leave(counted.key);
        return true;
    });
    forget_replay(session, channel);
    forget_lists(session, channel);
    if (channel->presence)
        broker.disappear(name, session.shown_user(), presence_rules(rules_of(*channel, now)), now);
    return hub_.unsubscribe(session, name);
}

void Gateway::Impl::leave_channels(Session& session, Now now) {
    for (const Counted& counted : session.counted) limits.leave(counted.key);
    session.counted.clear();
    session.replays.clear();
    session.owed.reset();
    if (session.events) session.events->numbered.clear();
    for (const Subscription& subscription : session.subscriptions) {
        Channel& channel = *subscription.channel;
        if (channel.presence)
            broker.disappear(channel.name, session.shown_user(), presence_rules(rules_of(channel, now)), now);
    }
    hub_.leave_all(session);
}

// --- where a subscription begins ---

// `$subscribe`, also of a channel that was subscribed before: then it begins anew.
void Gateway::Impl::begin(Session& session, Channel& channel, const ReplyTo& re,
                          std::optional<Position> since, Now now) {
    const dsl::ChannelRules& rules = rules_of(channel, now);
    if (rules.history == 0) {
        const auto recovered = since ? std::optional(false) : std::nullopt;
        return reply(session, re, subscription_text("$subscribed", re.id, channel.name, {}, recovered), now,
                     rules.lane, Word::beginning);
    }
    answer_waiting(session, channel, now);
    forget_replay(session, &channel);
    Subscriber& subscriber = *hub_.subscriber(session, channel);
    subscriber.offset = Subscriber::catching_up;
    note_number(session, channel, subscriber);
    session.replays.push_back({&channel, re, since, 0, 0, 0, false, rules.acks && !session.user.empty()});
    replay_some(session, now);
}

// A `$subscribe` whose page has not come, before its channel is left or begun anew: its sender is told that
// he was in it.
void Gateway::Impl::answer_waiting(Session& session, Channel& channel, Now now) {
    Replay* replay = replay_of(session, &channel);
    if (!replay || replay->announced || !replay->re.wanted()) return;
    const ReplyTo re = std::exchange(replay->re, {});
    const dsl::Lane lane = rules_of(channel, now).lane;
    reply(session, re, subscription_text("$subscribed", re.id, channel.name), now, lane, Word::beginning);
}

// An event's id says where a stream stands in each of these.
void Gateway::Impl::note_number(Session& session, Channel& channel, Subscriber& subscriber) const {
    if (!session.events || subscriber.numbered) return;
    subscriber.numbered = true;
    session.events->numbered.push_back(&channel);
}

// At connect: what `$hello` says of it, if that is known at once.
Hello::Joined Gateway::Impl::begin_joined(Session& session, Channel& channel, Now now) {
    const dsl::ChannelRules& rules = rules_of(channel, now);
    if (rules.history == 0) return {channel.name, {}, {}};
    Subscriber& subscriber = *hub_.subscriber(session, channel);
    subscriber.offset = Subscriber::catching_up;
    note_number(session, channel, subscriber);
    Replay& replay = session.replays.emplace_back();
    replay.channel = &channel;
    replay.by_cursor = rules.acks && !session.user.empty();
    replay.since = resume_from(session, channel, replay.by_cursor);
    Query query = query_of(channel.name, rules, now);
    query.since = replay.since;
    if (replay.by_cursor && !query.since) query.user = session.user;
    query.rest = replay.by_cursor;
    query.limit = 0;
    const Ticket ticket = next_ticket(session);
    const auto page = broker.read(std::move(query), ticket);
    if (!page) {
        replay.ticket = ticket.number;
        expect(ticket, {session.id, Question::Kind::replay, {}, &channel}, now);
    }
    if (!page || !page->because.empty()) return {channel.name, {}, {}};
    note_epoch(channel, page->top, now);
    replay.announced = true;
    replay.epoch = page->top.epoch;
    replay.after = page->after;
    const bool asked = replay.by_cursor || replay.since;
    return {channel.name, page->top, asked ? std::optional(page->recovered) : std::nullopt};
}

// A message came that does not follow the last one. What is missing is read when the event is over, since a
// replay that fails leaves the channel.
void Gateway::Impl::fall_behind(Session& session, Channel& channel, Now now) {
    Subscriber& subscriber = *hub_.subscriber(session, channel);
    Replay replay{&channel,          {}, {},   channel.seen.epoch,
                  subscriber.offset, 0,  true, rules_of(channel, now).acks && !session.user.empty()};
    subscriber.offset = Subscriber::catching_up;
    session.replays.push_back(std::move(replay));
    behind_.push_back(session.id);
}

void Gateway::Impl::catch_up(Now now) {
    for (const ConnectionId id : std::exchange(behind_, {})) {
        Session* session = find(id);
        if (session && session->state == Session::State::open) replay_some(*session, now);
    }
}

// --- replays ---

Gateway::Impl::Bounds Gateway::Impl::page_of(const Session& session) const {
    const Bounds bounds = bounds_of(session);
    return {std::min(replay_bytes, bounds.bytes / 2),
            std::clamp<size_t>(bounds.frames / 2, 1, replay_messages)};
}

// As much as the queue should hold now.
void Gateway::Impl::replay_some(Session& session, Now now) {
    for (size_t i = 0; session.state == Session::State::open && i < session.replays.size();) {
        const Channel* channel = session.replays[i].channel;
        const bool room = session.queue.bytes() < page_of(session).bytes || !session.replays[i].announced;
        const bool goes_on =
            room && session.replays[i].ticket == 0 && ask_for_page(session, session.replays[i], now);
        // It may be over, or have made place for another.
        const bool same = i < session.replays.size() && session.replays[i].channel == channel;
        if (same && !goes_on) ++i;
    }
}

// True if a page was taken at once.
bool Gateway::Impl::ask_for_page(Session& session, Replay& replay, Now now) {
    Channel& channel = *replay.channel;
    const dsl::ChannelRules& rules = rules_of(channel, now);
    Query query = query_of(channel.name, rules, now);
    query.since = replay.announced ? std::optional(Position{replay.epoch, replay.after}) : replay.since;
    if (replay.by_cursor && !query.since) query.user = session.user;
    query.rest = replay.by_cursor;
    const Bounds bounds = page_of(session);
    query.limit = static_cast<uint32_t>(bounds.frames);
    query.bytes = bounds.bytes;
    const Ticket ticket = next_ticket(session);
    const auto page = broker.read(std::move(query), ticket);
    if (!page) {
        replay.ticket = ticket.number;
        expect(ticket, {session.id, Question::Kind::replay, {}, &channel}, now);
        return false;
    }
    return take_page(session, &channel, 0, *page, now);
}

// False if it is over, one way or another.
bool Gateway::Impl::take_page(Session& session, const Channel* which, uint64_t ticket, const Page& page,
                              Now now) {
    Replay* replay = replay_of(session, which);
    // The client may have begun anew since it was asked for, and waits for another page.
    if (!replay || replay->ticket != ticket) return false;
    replay->ticket = 0;
    if (!page.because.empty()) {
        give_up_replay(session, *replay, page.because, now);
        return false;
    }
    Channel& channel = *replay->channel;
    const dsl::ChannelRules& rules = rules_of(channel, now);
    note_epoch(channel, page.top, now);
    const bool announce = !replay->announced || !page.recovered;
    const bool asked = replay->since || replay->by_cursor || replay->announced;
    replay->announced = true;
    replay->epoch = page.top.epoch;
    replay->after = page.after;
    if (announce) {
        const ReplyTo re = std::exchange(replay->re, {});
        const auto recovered = asked ? std::optional(page.recovered) : std::nullopt;
        reply(session, re, subscription_text("$subscribed", re.id, channel.name, page.top, recovered), now,
              rules.lane, Word::beginning);
    }
    replay->after = page.after + page.messages.size();
    const uint64_t after = replay->after;
    for (const Publication& message : page.messages) {
        if (message->except == session.number) continue;
        counters.replayed.add();
        if (rules.acks) owe(session, channel);
        send_publication(session, message, rules, now);
    }
    const uint64_t newest = std::max(page.top.offset, channel.seen.offset);
    if (after < newest) {
        if (page.messages.empty()) waiting_replays_.push_back(session.id);  // not yet where we look
        return !page.messages.empty();
    }
    hub_.subscriber(session, channel)->offset = after;
    forget_replay(session, &channel);
    return false;
}

void Gateway::Impl::give_up_replay(Session& session, const Replay& replay, const std::string& because,
                                   Now now) {
    const std::string channel = replay.channel->name;
    const ReplyTo re = replay.re;
    const dsl::Lane lane = rules_of(*replay.channel, now).lane;
    const bool asked = !replay.announced && re.wanted();
    (void)leave_channel(session, channel, now);
    if (asked) return reject(session, re, Rejection::of(Reason::unavailable, because), now);
    send_text(session, unsubscribed_text(channel, to_string(Reason::unavailable), because), now, lane);
}

void Gateway::Impl::continue_replays(Now now) {
    std::vector<ConnectionId> waiting;
    waiting.swap(waiting_replays_);
    for (const ConnectionId id : waiting) {
        Session* session = find(id);
        if (session && session->state == Session::State::open) replay_some(*session, now);
    }
}

// --- what is new ---

size_t Gateway::Impl::delivered(std::span<const Publication> publications, Allowance& allowance, Now now) {
    size_t done = 0;
    size_t bytes = 0;
    to_stalled_ = 0;
    for (const Publication& publication : publications) {
        const size_t size = publication->frame.bytes().size();
        const bool full = done == most_at_once || (done > 0 && bytes + size > bytes_at_once);
        if (full || allowance.used_up()) break;
        const uint64_t before = counters.deliveries.get();
        take_publication(publication, now);
        const size_t deliveries = counters.deliveries.get() - before;
        allowance.use(std::max<size_t>(1, deliveries), deliveries * size);
        bytes += size;
        ++done;
    }
    allowance.stalled += to_stalled_;
    return done;
}

void Gateway::Impl::take_publication(const Publication& publication, Now now) {
    Channel* channel = hub_.find(publication->channel);
    if (!channel) return;
    const dsl::ChannelRules& rules = rules_of(*channel, now);
    if (rules.conflate_ms + rules.batch_ms > 0 && !publication->announcement)
        return gather(*channel, publication, rules, now);
    // A reload has ended the window; announcements overtake it.
    if (channel->gathered && !publication->announcement) {
        channel->gathered->until_ms = now.steady_ms;
        due_.push({now.steady_ms, channel->name});
        release(now);
    }
    deliver(*channel, publication, now);
}

void Gateway::Impl::deliver(Channel& channel, const Publication& publication, Now now) {
    const Position position = publication->position;
    const bool numbered = position.epoch != 0;
    if (numbered) note_epoch(channel, {position.epoch, position.offset - 1}, now);
    const dsl::ChannelRules& rules = rules_of(channel, now);
    if (numbered) channel.seen.offset = std::max(channel.seen.offset, position.offset);
    const Subscriber* const first = channel.subscribers.data();
    const size_t all = channel.subscribers.size();
    for (Subscriber& subscriber : channel.subscribers) {
        Session& session = *subscriber.session;
        if (numbered && subscriber.offset >= position.offset) continue;
        if (numbered && subscriber.offset + 1 != position.offset) {
            fall_behind(session, channel, now);
        } else {
            subscriber.offset = numbered ? position.offset : subscriber.offset;
            if (numbered) note_number(session, channel, subscriber);
            if (session.number == publication->except) continue;
            counters.deliveries.add();
            to_stalled_ += session.stalled ? 1 : 0;
            if (rules.acks) owe(session, channel);
            send_publication(session, publication, rules, now);
        }
    }
    check(channel.subscribers.data() == first && channel.subscribers.size() == all,
          "delivery: a subscriber came or went in the middle of it");
}

// --- what is gathered ---

void Gateway::Impl::gather(Channel& channel, const Publication& publication, const dsl::ChannelRules& rules,
                           Now now) {
    const int64_t window_ms = rules.conflate_ms + rules.batch_ms;  // one of them is 0
    if (!channel.gathered) {
        channel.gathered = std::make_unique<Gathered>(gathered_bytes_);
        channel.gathered->until_ms = now.steady_ms + window_ms;
        due_.push({channel.gathered->until_ms, channel.name});
        // The first of its window is new to everybody; a batch waits for its others.
        if (rules.conflate_ms > 0) return deliver(channel, publication, now);
    }
    Gathered& gathered = *channel.gathered;
    std::vector<Publication>& waiting = gathered.waiting;
    if (rules.conflate_ms > 0) {
        const auto [it, fresh] = gathered.by_key.try_emplace(publication->key, waiting.size());
        if (!fresh) {
            counters.conflated.add();
            gathered.weigh(publication->frame.bytes().size(), waiting[it->second]->frame.bytes().size());
            waiting[it->second] = publication;
            return;
        }
    }
    waiting.push_back(publication);
    gathered.weigh(publication->frame.bytes().size(), 0);
    // More than a subscriber's queue takes is not held back for it, nor more than so many in all channels.
    const GatewaySettings& settings = runtime_->settings;
    const bool fits =
        waiting.size() < settings.max_queue_messages && gathered.bytes < settings.max_queue_bytes;
    if (fits && gathered_bytes_ < most_gathered * settings.max_queue_bytes) return;
    gathered.until_ms = now.steady_ms;
    due_.push({now.steady_ms, channel.name});
    release(now);
}

int64_t Gateway::Impl::release_at_ms() const {
    return due_.empty() ? INT64_MAX : due_.top().at_ms;
}

void Gateway::Impl::release(Now now) {
    while (!due_.empty() && due_.top().at_ms <= now.steady_ms) {
        const Due due = due_.top();
        due_.pop();
        Channel* channel = hub_.find(due.channel);
        if (!channel || !channel->gathered || channel->gathered->until_ms != due.at_ms) continue;
        const auto gathered = std::move(channel->gathered);
        const int64_t conflate_ms = rules_of(*channel, now).conflate_ms;
        if (conflate_ms > 0 && !gathered->waiting.empty()) {
            channel->gathered = std::make_unique<Gathered>(gathered_bytes_);
            channel->gathered->until_ms = now.steady_ms + conflate_ms;
            due_.push({channel->gathered->until_ms, channel->name});
        }
        for (const Publication& publication : gathered->waiting) deliver(*channel, publication, now);
    }
}

// Memory is short: nothing is held back.
void Gateway::Impl::release_all(Now now) {
    std::vector<std::string> names;
    for (; !due_.empty(); due_.pop()) names.push_back(due_.top().channel);
    for (const std::string& name : names) {
        Channel* channel = hub_.find(name);
        if (!channel || !channel->gathered) continue;
        channel->gathered->until_ms = now.steady_ms;
        due_.push({now.steady_ms, name});
        release(now);
    }
}

// What is heard of a channel's numbering. It may be the first time, or another numbering than before.
void Gateway::Impl::note_epoch(Channel& channel, Position top, Now now) {
    if (channel.seen.epoch == top.epoch) return;
    const bool lost = channel.seen.epoch != 0;
    channel.seen = top;
    const dsl::Lane lane = rules_of(channel, now).lane;
    for (Subscriber& subscriber : channel.subscribers) {
        if (subscriber.offset == Subscriber::catching_up) continue;
        subscriber.offset = top.offset;
        if (lost)
            send_text(*subscriber.session,
                      subscription_text("$subscribed", "", channel.name, channel.seen, false), now, lane,
                      Word::beginning);
    }
}

// When all that is queued is with the operating system, the users' servers may know.
void Gateway::Impl::owe(Session& session, Channel& channel) {
    if (session.user.empty()) return;
    Subscriber* subscriber = hub_.subscriber(session, channel);
    if (!subscriber || subscriber->owed) return;
    subscriber->owed = true;
    if (!session.owed) session.owed = std::make_unique<std::vector<Channel*>>();
    session.owed->push_back(&channel);
}

void Gateway::Impl::note_delivered(Session& session, Now now) {
    const auto owed = std::exchange(session.owed, nullptr);
    for (Channel* each : *owed) {
        Channel& channel = *each;
        Subscriber& subscriber = *hub_.subscriber(session, channel);
        subscriber.owed = false;
        const dsl::ChannelRules& rules = rules_of(channel, now);
        if (!rules.acks) continue;
        uint64_t offset = subscriber.offset;
        uint64_t epoch = channel.seen.epoch;
        if (offset == Subscriber::catching_up) {
            const Replay* replay = replay_of(session, &channel);
            if (!replay || !replay->announced) continue;
            offset = replay->after;
            epoch = replay->epoch;
        }
        if (offset == 0 || epoch == 0) continue;
        broker.delivered({channel.name, session.user, {epoch, offset}, retention_of(rules), now});
    }
}

}  // namespace wayleave
