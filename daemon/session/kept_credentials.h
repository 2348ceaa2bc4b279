// What sessions have shown of which their token block says `recheck`: kept, so that the backend can be asked
// again. Nobody else pays for it. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/decision/counters.h"
#include "daemon/decision/proof.h"
#include "daemon/session/session.h"

namespace wayleave {

// When that credential is looked at next. The same moment for all sessions that have it, on whichever worker,
// so that they share a question; and some moment or other within the interval, however many sessions came
// with the same second.
[[nodiscard]] int64_t next_recheck_ms(std::string_view credential, int64_t every_ms, Now now);

class KeptCredentials {
  public:
    explicit KeptCredentials(Counters& counters) : counters_(counters) {}

    // What the identity that the session has now was proved with; nothing: that is not asked about again.
    void keep(Session& session, const std::optional<Credential>& shown, Now now);
    // Under the policy that the session is bound to.
    void plan(Session& session, Now now);
    void forget(Session& session);
    // As the policy numbers it. It has one.
    [[nodiscard]] static std::optional<Credential> credential_of(const Session& session);

  private:
    Counters& counters_;
    size_t bytes_ = 0;
};

}  // namespace wayleave
