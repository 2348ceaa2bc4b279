// One message of a client, however it came: under the policy in force, to what the route speaks. One thread.
#pragma once

#include <string_view>

#include "daemon/session/native_dialect.h"
#include "daemon/session/reload.h"

namespace wayleave {

class ClientMessages {
  public:
    ClientMessages(const SessionTable& sessions, const Bindings& bindings, Reload& reload,
                   NativeDialect& native, FoldedStreams& streams, LimitTable& limits,
                   const WebSocketFraming& web_socket, PostRelay& relay, Closing& closing, ConnectionLog& log,
                   Outbox& outbox, Replies& replies, Counters& counters);

    // `relay` is that of a message that came by POST; else 0.
    void handle(Session& session, std::string_view payload, bool binary, uint64_t relay, Now now);
    // By POST, for a session that may be anybody's or nobody's.
    void handle_relayed(const RelayedMessage& relayed, Now now);

    // Under the policy in force, also where nobody looks at what is said. False: it ends.
    [[nodiscard]] bool may_go_on(Session& session, Now now);

  private:
    void decide(Session& session, std::string_view payload, bool binary, uint64_t relay, Now now);
    void raw(Session& session, std::string_view payload, bool binary, Now now);

    const SessionTable& sessions_;
    const Bindings& bindings_;
    Reload& reload_;
    NativeDialect& native_;
    FoldedStreams& streams_;
    LimitTable& limits_;
    const WebSocketFraming& web_socket_;
    PostRelay& relay_;
    Closing& closing_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Replies& replies_;
    Counters& counters_;
};

}  // namespace wayleave
