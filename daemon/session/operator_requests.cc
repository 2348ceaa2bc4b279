#include "daemon/session/operator_requests.h"

#include "daemon/session/hub.h"
#include "daemon/session/reload.h"

namespace wayleave {
namespace {

constexpr size_t subscriptions_at_once = 10'000;

}  // namespace

bool OperatorRequests::walk(size_t& next, const See& see, Now now) const {
    return sessions_.visit(next, sessions_at_once, [&](const Session& session) {
        if (session.state != Session::State::open) return false;
        see(open_connection(session, now));
        return true;
    });
}

// Its first subscriber speaks for a channel.
bool OperatorRequests::walk_channels(size_t& next,
                                     const std::function<void(const ChannelSummary&)>& see) const {
    size_t looked_at = 0;
    while (looked_at < subscriptions_at_once) {
        const bool all = sessions_.visit(next, 1, [&](const Session& session) {
            for (const Subscription& subscription : session.subscriptions) {
                const Channel& channel = *subscription.channel;
                if (subscription.position == 0) see({channel.name, channel.subscribers.size(), channel.seen});
            }
            looked_at += 1 + session.subscriptions.size();
            return true;
        });
        if (all) return true;
    }
    return false;
}

bool OperatorRequests::end(size_t& next, size_t most, const Choose& choose, const Farewell& farewell,
                           Now now) {
    return sessions_.visit(next, most, [&](Session& session) {
        if (session.state != Session::State::open) return false;
        if (choose(open_connection(session, now))) closing_.close(session, farewell, now);
        return true;
    });
}

}  // namespace wayleave
