#include "daemon/core/hub.h"

#include <algorithm>

namespace wayleave {

bool Hub::subscribe(Session& session, std::string_view name, bool joined) {
    for (const Subscription& known : session.subscriptions) {
        if (known.channel->name == name) return false;
    }
    auto it = channels_.find(name);
    if (it == channels_.end()) {
        auto fresh = std::make_unique<Channel>();
        fresh->name = std::string(name);
        it = channels_.emplace(fresh->name, std::move(fresh)).first;
        broker_.subscribe(worker_, name);
    }
    Channel& channel = *it->second;
    session.subscriptions.push_back({&channel, static_cast<uint32_t>(channel.subscribers.size()), joined});
    channel.subscribers.push_back(&session);
    ++subscriptions_;
    return true;
}

bool Hub::unsubscribe(Session& session, std::string_view name) {
    for (size_t i = 0; i < session.subscriptions.size(); ++i) {
        if (session.subscriptions[i].channel->name != name) continue;
        remove(session, i);
        return true;
    }
    return false;
}

void Hub::leave_all(Session& session) {
    while (!session.subscriptions.empty()) remove(session, session.subscriptions.size() - 1);
}

// The last subscriber of the channel takes the free place, and its own note of where it stands is corrected.
void Hub::remove(Session& session, size_t index) {
    const Subscription gone = session.subscriptions[index];
    session.subscriptions[index] = session.subscriptions.back();
    session.subscriptions.pop_back();
    Channel& channel = *gone.channel;
    Session* moved = channel.subscribers.back();
    channel.subscribers.pop_back();
    --subscriptions_;
    if (moved != &session) {
        channel.subscribers[gone.position] = moved;
        const auto note = std::find_if(moved->subscriptions.begin(), moved->subscriptions.end(),
                                       [&](const Subscription& s) { return s.channel == &channel; });
        note->position = gone.position;
    }
    if (!channel.subscribers.empty()) return;
    const std::string name = channel.name;
    broker_.unsubscribe(worker_, name);
    channels_.erase(name);
}

const Channel* Hub::find(std::string_view channel) const {
    const auto it = channels_.find(channel);
    return it == channels_.end() ? nullptr : it->second.get();
}

}  // namespace wayleave
