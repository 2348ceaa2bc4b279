#include "daemon/session/subscription_orders.h"

#include <algorithm>
#include <utility>

namespace wayleave {

std::optional<Rejection> SubscriptionOrders::apply(Session& session, const SubscriptionOrder& order,
                                                   Now now) {
    if (session.state != Session::State::open || !reload_.rebind(session, now) ||
        session.state != Session::State::open)
        return Rejection::of(Reason::unavailable, "the session ends");
    if (session.binding->route->dialect != dsl::Dialect::native)
        return bad_message("the session's route has no channels");
    const ConnectionView view = view_of(session, now);
    auto places = take_places(
        view, request_for(view), order,
        [&](std::string_view channel) -> const dsl::ChannelRules& {
            return subscriptions_.adopt_policy(channel, now);
        },
        [&](std::string_view channel) { return keys_of(session, channel); }, limits_);
    shadow_.order(session, order, request_for(view), now);
    if (!places) return places.error();
    carry_out(session, order, std::move(*places), now);
    return std::nullopt;
}

void SubscriptionOrders::carry_out(Session& session, const SubscriptionOrder& order,
                                   std::vector<Place> places, Now now) {
    for (const std::string& channel : order.leave) {
        const bool stays = std::find(order.enter.begin(), order.enter.end(), channel) != order.enter.end();
        if (!stays) leave(session, channel, now);
    }
    for (const std::string& channel : order.enter) {
        Channel* known = hub_.find(channel);
        if (known && hub_.subscriber(session, *known)) hub_.decide(session, *known, Entered::by_order);
    }
    for (Place& place : places) enter(session, std::move(place), now);
}

std::optional<std::vector<std::string>> SubscriptionOrders::keys_of(Session& session,
                                                                    std::string_view channel) const {
    const Channel* known = hub_.find(channel);
    if (!known || !hub_.subscriber(session, *known)) return std::nullopt;
    std::vector<std::string> out;
    for (const Counted& counted : session.counted)
        if (counted.channel == known) out.push_back(counted.key);
    return out;
}

void SubscriptionOrders::leave(Session& session, const std::string& name, Now now) {
    Channel* known = hub_.find(name);
    if (!known || !hub_.subscriber(session, *known)) return;
    const dsl::Lane lane = subscriptions_.adopt_policy(*known, now).lane;
    replayer_.answer_waiting(session, *known, now);
    if (!subscriptions_.leave(session, name, now)) return;
    counters_.ordered_out.add();
    if (session.state != Session::State::open) return;
    outbox_.send_text(session, unsubscribed_text("", name), now, lane);
    if (!session.events || session.state != Session::State::open) return;
    // The id that its browser comes again with must not bring it back.
    outbox_.send(session, event_stream_.position(session), now);
}

void SubscriptionOrders::enter(Session& session, Place place, Now now) {
    // It was too slow for the news of the channels before.
    Channel* entered = session.state == Session::State::open
                           ? subscriptions_.enter(session, place.channel, Entered::by_order, now)
                           : nullptr;
    if (!entered) {
        for (const std::string& key : place.keys) limits_.leave(key);
        return;
    }
    counters_.ordered_in.add();
    for (std::string& key : place.keys) session.counted.push_back({entered, std::move(key)});
    replayer_.begin(session, *entered, {}, {}, now);
}

}  // namespace wayleave
