// Who is in which channel, by user. Implemented in daemon/broker.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/message/broker.h"

namespace wayleave {

struct PresenceRules {
    bool announce = false;  // `$join` and `$leave` are sent to the subscribers
    int64_t grace_ms = 0;   // who returns within it was never gone
};

// Any thread.
class Presence {
  public:
    virtual ~Presence() = default;

    // A connection is in a channel with presence now, or is no more. `user` may be empty.
    virtual void appear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                        Now now) = 0;
    virtual void disappear(std::string_view channel, std::string_view user, const PresenceRules& rules,
                           Now now) = 0;
    // At once, or later through the inbox of the ticket's worker.
    virtual std::optional<Roster> present(std::string_view channel, uint32_t limit, Ticket ticket) = 0;

    // Every 100 ms or so, by one caller: those whose grace is over are gone.
    virtual void tick(Now now) = 0;
};

}  // namespace wayleave
