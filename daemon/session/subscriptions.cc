#include "daemon/session/subscriptions.h"

#include <algorithm>

namespace wayleave {
namespace {

constexpr size_t most_grant_bytes_of_session = 64 << 10;

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

const dsl::ChannelRules& Subscriptions::adopt_policy(Channel& channel, Now now) {
    if (channel.generation == bindings_.runtime().generation && channel.rules) return *channel.rules;
    channel.rules = &bindings_.policy().channel_rules(channel.name);
    channel.generation = bindings_.runtime().generation;
    if (channel.rules->presence != channel.presence) {
        channel.presence = channel.rules->presence;
        const PresenceRules rules = presence_rules(*channel.rules);
        for (const Subscriber& subscriber : channel.subscribers) {
            if (channel.presence) {
                presence_.appear(channel.name, subscriber.session->shown_user(), rules, now);
            } else {
                presence_.disappear(channel.name, subscriber.session->shown_user(), rules, now);
            }
        }
    }
    return *channel.rules;
}

const dsl::ChannelRules& Subscriptions::adopt_policy(std::string_view name, Now now) {
    Channel* channel = hub_.find(name);
    return channel ? adopt_policy(*channel, now) : bindings_.policy().channel_rules(name);
}

Channel* Subscriptions::enter(Session& session, std::string_view name, Entered entered, Now now) {
    if (Channel* known = hub_.find(name)) (void)adopt_policy(*known, now);  // before one more is in it
    Channel* channel = hub_.subscribe(session, name, entered);
    if (!channel) return nullptr;
    if (entered != Entered::by_route) notifications_.entered(session, name, now);
    if (channel->rules) {
        if (channel->presence)
            presence_.appear(name, session.shown_user(), presence_rules(*channel->rules), now);
    } else {
        (void)adopt_policy(*channel, now);  // counts those who are in it
    }
    return channel;
}

bool Subscriptions::leave(Session& session, std::string_view name, Now now) {
    Channel* channel = hub_.find(name);
    if (!channel || !hub_.subscriber(session, *channel)) return false;
    const auto place = std::find_if(session.subscriptions.begin(), session.subscriptions.end(),
                                    [&](const Subscription& one) { return one.channel == channel; });
    if (place != session.subscriptions.end() && place->entered != Entered::by_route)
        notifications_.left(session, name, now);
    std::erase_if(session.counted, [&](const Counted& counted) {
        if (counted.channel != channel) return false;
        limits_.leave(counted.key);
        return true;
    });
    forget_replay(session, channel);
    forget_lists(session, channel);
    forget_grant(session, channel);
    forget_voucher(session, channel);
    if (channel->presence)
        presence_.disappear(name, session.shown_user(), presence_rules(adopt_policy(*channel, now)), now);
    return hub_.unsubscribe(session, name);
}

void Subscriptions::leave_all(Session& session, Now now) {
    for (const Counted& counted : session.counted) limits_.leave(counted.key);
    session.counted.clear();
    session.replays.clear();
    while (session.grants && !session.grants->kept.empty())
        forget_grant(session, session.grants->kept.back().channel);
    while (session.grants && !session.grants->vouchers.empty())
        forget_voucher(session, session.grants->vouchers.back().channel);
    session.owed.reset();
    if (session.events) session.events->numbered.clear();
    for (const Subscription& subscription : session.subscriptions) {
        Channel& channel = *subscription.channel;
        if (channel.presence)
            presence_.disappear(channel.name, session.shown_user(),
                                presence_rules(adopt_policy(channel, now)), now);
    }
    hub_.leave_all(session);
}

bool Subscriptions::has_room_for_grant(const Session& session, const Channel* channel,
                                       const HeldGrant& grant) {
    const HeldGrant* before = held_grant(session, channel);
    const size_t others = (session.grants ? session.grants->bytes : 0) - (before ? before->bytes() : 0);
    return others + grant.bytes() <= most_grant_bytes_of_session;
}

void Subscriptions::keep_grant(Session& session, const Channel& channel, const HeldGrant& grant) {
    forget_grant(session, &channel);
    if (!session.grants) session.grants = std::make_unique<SessionGrants>();
    session.grants->kept.push_back({&channel, std::make_shared<const HeldGrant>(grant)});
    session.grants->bytes += grant.bytes();
    ++grants_;
    grant_bytes_ += grant.bytes();
}

void Subscriptions::forget_grant(Session& session, const Channel* channel) {
    const HeldGrant* grant = held_grant(session, channel);
    if (!grant) return;
    session.grants->bytes -= grant->bytes();
    grant_bytes_ -= grant->bytes();
    --grants_;
    std::erase_if(session.grants->kept, [&](const KeptGrant& kept) { return kept.channel == channel; });
}

void Subscriptions::keep_voucher(Session& session, const Channel& channel, const RulingKey& key,
                                 int64_t until_ms) {
    forget_voucher(session, &channel);
    if (!session.grants) session.grants = std::make_unique<SessionGrants>();
    session.grants->vouchers.push_back({&channel, key, until_ms, true, Voucher::Doubt::none});
    ++vouched_;
}

void Subscriptions::forget_voucher(Session& session, const Channel* channel) {
    if (!voucher_of(session, channel)) return;
    std::erase_if(session.grants->vouchers, [&](const Voucher& one) { return one.channel == channel; });
    --vouched_;
}

void Subscriptions::doubt(Session& session, const Channel& channel) {
    if (!session.grants) session.grants = std::make_unique<SessionGrants>();
    auto& vouchers = session.grants->vouchers;
    if (!voucher_of(session, &channel)) {  // another rule has allowed it so far
        vouchers.push_back({&channel, {}, 0, false, Voucher::Doubt::none});
        ++vouched_;
    }
    const bool waits = std::any_of(vouchers.begin(), vouchers.end(),
                                   [](const Voucher& one) { return one.doubt == Voucher::Doubt::queued; });
    voucher_of(session, &channel)->doubt = Voucher::Doubt::queued;
    if (!waits) doubted_.push_back(session.id);
}

std::optional<ConnectionId> Subscriptions::next_doubted() {
    if (doubted_.empty()) return std::nullopt;
    const ConnectionId id = doubted_.front();
    doubted_.pop_front();
    return id;
}

Query query_of(std::string_view channel, const dsl::ChannelRules& rules, Now now) {
    Query query;
    query.channel = channel;
    query.retention = retention_of(rules);
    query.now = now;
    return query;
}

}  // namespace wayleave
