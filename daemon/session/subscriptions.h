// Who is in which channel of this worker, under the rules in force: entering and leaving, with what is
// counted and announced of it. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string_view>

#include "daemon/decision/grant.h"
#include "daemon/decision/limits.h"
#include "daemon/message/presence.h"
#include "daemon/message/publication_request.h"
#include "daemon/session/bindings.h"
#include "daemon/session/hub.h"
#include "daemon/session/notifications.h"

namespace wayleave {

class Subscriptions {
  public:
    Subscriptions(Hub& hub, Presence& presence, LimitTable& limits, const Bindings& bindings,
                  Notifications& notifications)
        : hub_(hub),
          presence_(presence),
          limits_(limits),
          bindings_(bindings),
          notifications_(notifications) {}

    // The channel under the policy in force. After a reload that is more than to look: where presence begins
    // or ends with it, the subscribers are announced.
    const dsl::ChannelRules& adopt_policy(Channel& channel, Now now);
    const dsl::ChannelRules& adopt_policy(std::string_view channel, Now now);

    // Null if it is subscribed already.
    Channel* enter(Session& session, std::string_view name, Entered entered, Now now);
    // False if it was not in it.
    [[nodiscard]] bool leave(Session& session, std::string_view name, Now now);
    void leave_all(Session& session, Now now);

    // By which the session is in the channel; it takes the place of the one before.
    void keep_grant(Session& session, const Channel& channel, const HeldGrant& grant);
    [[nodiscard]] static bool has_room_for_grant(const Session& session, const Channel* channel,
                                                 const HeldGrant& grant);
    void forget_grant(Session& session, const Channel* channel);
    // Likewise by a backend's yes.
    void keep_voucher(Session& session, const Channel& channel, const RulingKey& key, int64_t until_ms);
    void forget_voucher(Session& session, const Channel* channel);
    // It stays, and the backend is asked anew: see Vouchers::tick.
    void doubt(Session& session, const Channel& channel);
    [[nodiscard]] std::optional<ConnectionId> next_doubted();  // a session that has such channels
    [[nodiscard]] size_t vouched() const { return vouched_; }
    // What all sessions remember.
    [[nodiscard]] size_t grants() const { return grants_; }
    [[nodiscard]] size_t grant_bytes() const { return grant_bytes_; }

  private:
    Hub& hub_;
    Presence& presence_;
    LimitTable& limits_;
    const Bindings& bindings_;
    Notifications& notifications_;
    size_t grants_ = 0;
    size_t grant_bytes_ = 0;
    size_t vouched_ = 0;
    std::deque<ConnectionId> doubted_;  // a session with several channels once at a time
};

[[nodiscard]] Query query_of(std::string_view channel, const dsl::ChannelRules& rules, Now now);

}  // namespace wayleave
