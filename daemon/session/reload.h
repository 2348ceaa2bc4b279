// What a new policy does to the connections that are open: some are judged at each tick, and one that speaks
// before its turn is judged then. One thread.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "daemon/decision/reevaluate.h"
#include "daemon/session/closing.h"
#include "daemon/session/folded_streams.h"
#include "daemon/session/kept_credentials.h"
#include "daemon/session/reload_impact.h"
#include "daemon/session/replayer.h"

namespace wayleave {

class Reload {
  public:
    Reload(const SessionTable& sessions, Bindings& bindings, Hub& hub, Subscriptions& subscriptions,
           Replayer& replayer, Outbox& outbox, Closing& closing, ConnectionLog& log, Deadlines& deadlines,
           Notifications& notifications, FoldedStreams& streams, KeptCredentials& kept, Counters& counters,
           std::mt19937_64& random);

    void replace(std::shared_ptr<const Runtime> runtime);
    void tick(Now now);

    // The connection under the policy in force. False if it may not go on: it ends now, or within the drain.
    [[nodiscard]] bool rebind(Session& session, Now now);
    // One that may not go on.
    void close_pending(Session& session, Now now);
    // The connection goes on, on that route and with what is known of it now.
    void apply(Session& session, const dsl::Route& route, Reevaluation reevaluation, Reason reason, Now now);

    // Looks at some more connections; true when all have been seen. Changes nothing.
    [[nodiscard]] bool survey(const Runtime& candidate, ReloadImpact& impact, Now now) const;

  private:
    void apply_channels(Session& session, const Reevaluation& reevaluation, Reason reason, Now now);
    void mark_pending_close(Session& session, Reevaluation reevaluation, Now now);
    void spread_pending_closes(Now now);

    const SessionTable& sessions_;
    Bindings& bindings_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    Outbox& outbox_;
    Closing& closing_;
    ConnectionLog& log_;
    Deadlines& deadlines_;
    Notifications& notifications_;
    FoldedStreams& streams_;
    KeptCredentials& kept_;
    Counters& counters_;
    std::mt19937_64& random_;
    size_t next_ = SIZE_MAX;             // places from here on may still hold the old policy
    std::vector<ConnectionId> pending_;  // that are to close, and not yet spread
};

[[nodiscard]] OpenConnection open_connection(const Session& session, Now now);

}  // namespace wayleave
