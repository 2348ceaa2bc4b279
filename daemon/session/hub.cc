#include "daemon/session/hub.h"

#include <algorithm>
#include <functional>

#include "daemon/base/check.h"
#include "daemon/message/sse.h"

namespace wayleave {

namespace {

// Where the channel stands among a session's subscriptions, or would.
auto place_of(Session& session, const Channel* channel) {
    return std::lower_bound(session.subscriptions.begin(), session.subscriptions.end(), channel,
                            [](const Subscription& s, const Channel* wanted) {
                                return std::less<const Channel*>()(s.channel, wanted);
                            });
}

}  // namespace

uint64_t mark_of(const Channel& channel) {
    if (channel.mark == 0) channel.mark = channel_mark(channel.name);
    return channel.mark;
}

Channel* Hub::subscribe(Session& session, std::string_view name, Entered entered) {
    auto it = channels_.find(name);
    if (it == channels_.end()) {
        auto fresh = std::make_unique<Channel>();
        fresh->name = std::string(name);
        it = channels_.emplace(fresh->name, std::move(fresh)).first;
        broker_.subscribe(worker_, name);
    }
    Channel& channel = *it->second;
    const auto place = place_of(session, &channel);
    if (place != session.subscriptions.end() && place->channel == &channel) return nullptr;
    session.subscriptions.insert(place,
                                 {&channel, static_cast<uint32_t>(channel.subscribers.size()), entered});
    channel.subscribers.push_back({&session, 0});
    ++subscriptions_;
    check_entry(session, channel);
    return &channel;
}

void Hub::decide(Session& session, const Channel& channel, Entered entered) const {
    check_entry(session, channel);
    place_of(session, &channel)->entered = entered;
}

bool Hub::is_subscribed(Session& session, std::string_view name) const {
    const Channel* channel = find(name);
    const auto place = place_of(session, channel);
    return channel && place != session.subscriptions.end() && place->channel == channel;
}

Subscriber* Hub::subscriber(Session& session, const Channel& channel) const {
    const auto place = place_of(session, &channel);
    if (place == session.subscriptions.end() || place->channel != &channel) return nullptr;
    return &place->channel->subscribers[place->position];
}

bool Hub::unsubscribe(Session& session, std::string_view name) {
    if (!is_subscribed(session, name)) return false;
    remove(session, static_cast<size_t>(place_of(session, find(name)) - session.subscriptions.begin()));
    return true;
}

void Hub::leave_all(Session& session) {
    while (!session.subscriptions.empty()) remove(session, session.subscriptions.size() - 1);
}

// The last subscriber of the channel takes the free place, and its own note of where it stands is corrected.
void Hub::remove(Session& session, size_t index) {
    const Subscription gone = session.subscriptions[index];
    check_entry(session, *gone.channel);
    session.subscriptions.erase(session.subscriptions.begin() + static_cast<std::ptrdiff_t>(index));
    Channel& channel = *gone.channel;
    const Subscriber moved = channel.subscribers.back();
    channel.subscribers.pop_back();
    --subscriptions_;
    if (moved.session != &session) {
        channel.subscribers[gone.position] = moved;
        place_of(*moved.session, &channel)->position = gone.position;
        check_entry(*moved.session, channel);
    }
    if (!channel.subscribers.empty()) return;
    const std::string name = channel.name;
    broker_.unsubscribe(worker_, name);
    channels_.erase(name);
}

// The session's list and the channel's point at each other.
void Hub::check_entry(Session& session, const Channel& channel) const {
    const auto place = place_of(session, &channel);
    check(place != session.subscriptions.end() && place->channel == &channel,
          "hub: a subscriber does not know its channel");
    check(place->position < channel.subscribers.size() &&
              channel.subscribers[place->position].session == &session,
          "hub: a channel does not have its subscriber where that says");
    check(subscriptions_ >= channels_.size(), "hub: a channel has no subscriber");
}

size_t receivers_in(const Hub& hub, const Receivers& of) {
    const Channel* channel = hub.find(of.channel);
    if (!channel) return 0;
    const auto& all = channel->subscribers;
    const bool left_out = of.except != 0 && std::any_of(all.begin(), all.end(), [&](const Subscriber& one) {
                              return one.session->number == of.except;
                          });
    return all.size() - (left_out ? 1 : 0);
}

Channel* Hub::find(std::string_view channel) const {
    const auto it = channels_.find(channel);
    return it == channels_.end() ? nullptr : it->second.get();
}

}  // namespace wayleave
