// Who is in which channel, over all workers of this process. Thread-safe, striped. As large as there
// are subscriptions, which are bounded, and those who left within their grace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/message/presence.h"

namespace wayleave {

class LocalPresence final : public Presence {
  public:
    // Brings `$join` or `$leave` to the channel's subscribers. Called under a lock, so that they arrive in
    // the order in which they became true: it must not come back here.
    using Announce = std::function<void(const Publication&)>;

    explicit LocalPresence(Announce announce);
    ~LocalPresence() override;
    LocalPresence(const LocalPresence&) = delete;
    LocalPresence& operator=(const LocalPresence&) = delete;

    void appear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                Now now) override;
    void disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                   Now now) override;
    [[nodiscard]] std::optional<Roster> present(std::string_view channel, uint32_t limit,
                                                Ticket ticket) override;
    void tick(Now now) override;

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
