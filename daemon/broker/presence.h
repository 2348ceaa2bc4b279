// Who is in which channel, by user, over all workers of this process. Thread-safe, striped. As large as there
// are subscriptions, which are bounded, and those who left within their grace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/message/broker.h"

namespace wayleave {

class Presence {
  public:
    // Brings `$join` or `$leave` to the channel's subscribers. Called under a lock, so that they arrive in
    // the order in which they became true: it must not come back here.
    using Announce = std::function<void(const Publication&)>;

    explicit Presence(Announce announce);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

    void appear(std::string_view channel, std::string_view user, const PresenceRules& rules);
    void disappear(std::string_view channel, std::string_view user, const PresenceRules& rules, Now now);
    [[nodiscard]] Roster present(std::string_view channel, uint32_t limit) const;
    // Those whose grace is over are gone.
    void tick(Now now);

  private:
    struct Stripe;
    [[nodiscard]] Stripe& stripe_of(std::string_view channel) const;

    Announce announce_;
    std::unique_ptr<Stripe[]> stripes_;
};

// `{"type":"$join","channel":…,"user":…}`, to subscribers.
[[nodiscard]] Publication presence_message(std::string_view word, std::string_view channel,
                                           std::string_view user);

}  // namespace wayleave
