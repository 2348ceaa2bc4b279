#include "daemon/session/session.h"

#include <algorithm>

#include "daemon/decision/grant.h"

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

const HeldGrant* held_grant(const Session& session, const Channel* channel) {
    if (!session.grants) return nullptr;
    for (const KeptGrant& kept : session.grants->kept) {
        if (kept.channel == channel) return kept.grant.get();
    }
    return nullptr;
}

Voucher* voucher_of(const Session& session, const Channel* channel) {
    if (!session.grants) return nullptr;
    for (Voucher& one : session.grants->vouchers) {
        if (one.channel == channel) return &one;
    }
    return nullptr;
}

int64_t SessionGrants::next_expiry_ms() const {
    int64_t when = INT64_MAX;
    for (const KeptGrant& one : kept) {
        if (one.grant->expires_ms > 0) when = std::min(when, one.grant->expires_ms);
    }
    return when;
}

}  // namespace wayleave
