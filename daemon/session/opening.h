// From an admission to an open connection: a WebSocket or a stream, and the channels that it joins. One
// thread.
#pragma once

#include <optional>
#include <random>
#include <string>

#include "daemon/message/connection_slots.h"
#include "daemon/protocol/handshake.h"
#include "daemon/session/deadlines.h"
#include "daemon/session/kept_credentials.h"
#include "daemon/session/native_dialect.h"
#include "daemon/session/tunnels.h"

namespace wayleave {

class Opening {
  public:
    Opening(uint32_t worker, Bindings& bindings, ConnectionSlots& slots, Hub& hub,
            Subscriptions& subscriptions, Replayer& replayer, NativeDialect& native, PostRelay& relay,
            ShadowComparison& shadow, Compressors& compressors, Deadlines& deadlines, ConnectionLog& log,
            Outbox& outbox, Notifications& notifications, FoldedStreams& streams, Tunnels& tunnels,
            KeptCredentials& kept, Counters& counters, std::mt19937_64& random);

    void open(Session& session, Admitted admitted, const HttpHead& head, const Upgrade& upgrade, Now now);
    void open_stream(Session& session, Admitted admitted, const HttpHead& head, const std::string& headers,
                     Now now);

  private:
    void activate(Session& session, Admitted& admitted, Now now);
    [[nodiscard]] std::string agree_on_compression(Session& session, const dsl::Route& route,
                                                   const Upgrade& upgrade);
    void join(Session& session, const Admitted& admitted, Now now);
    void resume_posted(Session& session, Now now);

    uint32_t worker_;
    Bindings& bindings_;
    ConnectionSlots& slots_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    NativeDialect& native_;
    PostRelay& relay_;
    ShadowComparison& shadow_;
    Compressors& compressors_;
    Deadlines& deadlines_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Notifications& notifications_;
    FoldedStreams& streams_;
    Tunnels& tunnels_;
    KeptCredentials& kept_;
    Counters& counters_;
    std::mt19937_64& random_;
    std::string channel_;  // scratch
};

// The id of the last event that the client had, as it says itself.
[[nodiscard]] std::optional<std::string> last_event_id(const HttpHead& head);

}  // namespace wayleave
