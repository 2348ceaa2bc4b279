#include "daemon/decision/subscription_order.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "daemon/decision/admission.h"

namespace wayleave {
namespace {

bool holds(const std::vector<std::string>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

// What counts for the channels that are left, out of the way while places are taken.
class Leaving {
  public:
    Leaving(const SubscriptionOrder& order, KeysOf keys_of, LimitTable& limits) : limits_(limits) {
        std::vector<std::string> seen;
        for (const std::string& channel : order.leave) {
            auto keys = keys_of(channel);
            if (!keys || holds(order.enter, channel) || holds(seen, channel)) continue;
            seen.push_back(channel);
            for (std::string& key : *keys) {
                limits_.leave(key);
                keys_.push_back(std::move(key));
            }
        }
        channels_ = seen.size();
    }
    ~Leaving() {
        for (const std::string& key : keys_) (void)limits_.enter(key, INT64_MAX);
    }
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;

    [[nodiscard]] int64_t channels() const { return static_cast<int64_t>(channels_); }

  private:
    LimitTable& limits_;
    std::vector<std::string> keys_;
    size_t channels_ = 0;
};

// A deny of the rules; that nothing allows it is no matter.
std::optional<Rejection> denied(const ConnectionView& view, const dsl::Request& request) {
    const dsl::NodeId verdict = dsl::decide(view.route.program, view.residual.nodes,
                                            view.residual.roots[view.route.subscribe], request);
    if (!denies(view.route, verdict)) return std::nullopt;
    return rejected_by(view.route, verdict);
}

}  // namespace

std::optional<Rejection> count_subscription(const ConnectionView& view, const dsl::Request& request,
                                            const dsl::ChannelRules& rules, LimitTable& limits,
                                            std::vector<std::string>& keys) {
    std::optional<Rejection> rejection;
    if (rules.max_subscribers > 0) {
        std::string key = "subscribers " + std::string(request.channel->text);
        if (!limits.enter(key, rules.max_subscribers))
            return Rejection::of(Reason::limited, "the channel has as many subscribers as it takes");
        keys.push_back(std::move(key));
    }
    for (const dsl::Limit& limit : view.route.limits) {
        if (limit.meter != dsl::Meter::subscriptions || rejection) continue;
        rejection = enter(view.route.program, limit, request, limits, keys);
    }
    if (!rejection) return std::nullopt;
    for (const std::string& key : keys) limits.leave(key);
    keys.clear();
    return rejection;
}

Result<std::vector<Place>, Rejection> take_places(const ConnectionView& view, const dsl::Request& request,
                                                  const SubscriptionOrder& order, RulesOf rules_of,
                                                  KeysOf keys_of, LimitTable& limits) {
    std::vector<Place> places;
    const Leaving leaving(order, keys_of, limits);
    dsl::Request asked = request;
    asked.subscriptions = view.subscriptions - leaving.channels();
    for (const std::string& channel : order.enter) {
        const auto name = dsl::split_channel(channel);
        if (!name) return failure(bad_message(dsl::no_channel(channel)));
        asked.channel = &*name;
        std::optional<Rejection> rejection = denied(view, asked);
        const bool known = keys_of(channel).has_value() ||
                           std::any_of(places.begin(), places.end(),
                                       [&](const Place& place) { return place.channel == channel; });
        if (!rejection && known) continue;
        Place place{channel, {}};
        if (!rejection && asked.subscriptions >= view.route.max_subscriptions)
            rejection = Rejection::of(Reason::limited, "too many subscriptions");
        if (!rejection) rejection = count_subscription(view, asked, rules_of(channel), limits, place.keys);
        if (rejection) {
            give_back(places, limits);
            return failure(std::move(*rejection));
        }
        ++asked.subscriptions;
        places.push_back(std::move(place));
    }
    return places;
}

void give_back(const std::vector<Place>& places, LimitTable& limits) {
    for (const Place& place : places)
        for (const std::string& key : place.keys) limits.leave(key);
}

}  // namespace wayleave
