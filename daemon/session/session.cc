#include "daemon/session/session.h"

#include <algorithm>

namespace wayleave {

ConnectionView view_of(const Session& session, Now now) {
    return {*session.binding->runtime->policy,
            *session.binding->route,
            session.facts,
            session.binding->residual,
            session.number,
            now.steady_ms - session.opened_ms,
            static_cast<int64_t>(session.subscriptions.size())};
}

Replay* replay_of(Session& session, const Channel* channel) {
    const auto it = std::find_if(session.replays.begin(), session.replays.end(),
                                 [&](const Replay& replay) { return replay.channel == channel; });
    return it == session.replays.end() ? nullptr : &*it;
}

void forget_replay(Session& session, const Channel* channel) {
    std::erase_if(session.replays, [&](const Replay& replay) { return replay.channel == channel; });
}

}  // namespace wayleave
