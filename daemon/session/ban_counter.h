// What a refusal costs whoever caused it: it counts for the bans of its route. One thread; the table of bans
// is shared by all workers.
#pragma once

#include <optional>
#include <string_view>

#include "daemon/decision/bans.h"
#include "daemon/session/connection_log.h"

namespace wayleave {

class BanCounter {
  public:
    BanCounter(BanTable& bans, ConnectionLog& log) : bans_(bans), log_(log) {}

    // Who is refused, as far as it is known.
    struct Whom {
        bool identified = false;
        std::string_view user = {};
        bool nameless = false;
    };
    // Counts it for the route's bans. The ban that is in force then, if one is.
    std::optional<Rejection> count_refusal(const Session& session, Reason reason, Now now);
    std::optional<Rejection> count_refusal(const dsl::Policy& policy, const dsl::Route& route,
                                           const dsl::Request& request, const Whom& whom, Reason reason,
                                           Now now);

  private:
    BanTable& bans_;
    ConnectionLog& log_;
};

}  // namespace wayleave
