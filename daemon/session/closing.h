// The end of a session: `$bye`, a close frame, and the wait for the peer's. One thread.
#pragma once

#include <random>
#include <string_view>

#include "daemon/session/deadlines.h"
#include "daemon/session/outbox.h"
#include "daemon/session/subscriptions.h"

namespace wayleave {

class Closing {
  public:
    Closing(const SessionTable& sessions, const Bindings& bindings, Subscriptions& subscriptions,
            Outbox& outbox, ConnectionLog& log, Deadlines& deadlines, std::mt19937_64& random)
        : sessions_(sessions),
          bindings_(bindings),
          subscriptions_(subscriptions),
          outbox_(outbox),
          log_(log),
          deadlines_(deadlines),
          random_(random) {}

    // Where nobody is in the middle of a list: what was marked ends.
    void end_marked(Now now);
    void close(Session& session, const Farewell& farewell, Now now);
    // The client has said its close frame.
    void peer_closed(Session& session, uint16_t code, Now now);
    // Pings and the like are no messages to a policy's limits; a client still may not keep us busy with them.
    void count_control(Session& session, Now now);

  private:
    void begin_end(Session& session, std::string_view reason, std::string_view because, Now now);
    void close_for(Session& session, const Rejection& rejection, Now now);

    const SessionTable& sessions_;
    const Bindings& bindings_;
    Subscriptions& subscriptions_;
    Outbox& outbox_;
    ConnectionLog& log_;
    Deadlines& deadlines_;
    std::mt19937_64& random_;
};

}  // namespace wayleave
