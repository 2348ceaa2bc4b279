#include "daemon/session/subscriptions.h"

#include <algorithm>

namespace wayleave {
namespace {

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
    std::erase_if(session.counted, [&](const Counted& counted) {
        if (counted.channel != channel) return false;
        limits_.leave(counted.key);
        return true;
    });
    forget_replay(session, channel);
    forget_lists(session, channel);
    if (channel->presence)
        presence_.disappear(name, session.shown_user(), presence_rules(adopt_policy(*channel, now)), now);
    return hub_.unsubscribe(session, name);
}

void Subscriptions::leave_all(Session& session, Now now) {
    for (const Counted& counted : session.counted) limits_.leave(counted.key);
    session.counted.clear();
    session.replays.clear();
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

Query query_of(std::string_view channel, const dsl::ChannelRules& rules, Now now) {
    Query query;
    query.channel = channel;
    query.retention = retention_of(rules);
    query.now = now;
    return query;
}

}  // namespace wayleave
