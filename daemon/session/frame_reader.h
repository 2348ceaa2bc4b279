// What comes over a WebSocket after the upgrade: frames, and what is wrong with them. One thread.
#pragma once

#include <span>

#include "daemon/session/client_messages.h"
#include "daemon/session/tunnels.h"

namespace wayleave {

class FrameReader {
  public:
    FrameReader(const Compressors& compressors, ClientMessages& messages, Tunnels& tunnels, Closing& closing,
                Deadlines& deadlines, BanCounter& ban_counter, ConnectionLog& log, Outbox& outbox,
                Counters& counters)
        : compressors_(compressors),
          messages_(messages),
          tunnels_(tunnels),
          closing_(closing),
          deadlines_(deadlines),
          ban_counter_(ban_counter),
          log_(log),
          outbox_(outbox),
          counters_(counters) {}

    void read(Session& session, std::span<char> bytes, Now now);  // unmasks in place

  private:
    [[nodiscard]] bool handle(Session& session, const WsEvent& event, Now now);
    void fail(Session& session, const WsError& error, Now now);
    void close_for_error(Session& session, const WsError& error, Now now);

    const Compressors& compressors_;
    ClientMessages& messages_;
    Tunnels& tunnels_;
    Closing& closing_;
    Deadlines& deadlines_;
    BanCounter& ban_counter_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Counters& counters_;
};

}  // namespace wayleave
