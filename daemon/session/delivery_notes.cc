#include "daemon/session/delivery_notes.h"

#include <utility>

namespace wayleave {

void DeliveryNotes::owe(Session& session, Channel& channel) {
    if (session.user.empty()) return;
    ++session.acks_due;
    Subscriber* subscriber = hub_.subscriber(session, channel);
    if (!subscriber || subscriber->owed) return;
    subscriber->owed = true;
    if (!session.owed) session.owed = std::make_unique<std::vector<Channel*>>();
    session.owed->push_back(&channel);
}

void DeliveryNotes::note_delivered(Session& session, Now now) {
    const auto owed = std::exchange(session.owed, nullptr);
    for (Channel* each : *owed) {
        Channel& channel = *each;
        Subscriber& subscriber = *hub_.subscriber(session, channel);
        subscriber.owed = false;
        const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel, now);
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
        broker_.delivered({channel.name, session.user, {epoch, offset}, retention_of(rules), now});
    }
}

}  // namespace wayleave
