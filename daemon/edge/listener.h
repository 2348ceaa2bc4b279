// Accepts connections on one listening socket of one worker.
//
// The socket is watched by our own ev_io and is not adopted by lws as a RAW_FILE: it must be paused while
// descriptors are exhausted, lws's own listener spins there at 100 % CPU; it must outlive no context; and
// each adopted descriptor's event would take the way through lws's tables and cost the loop an idle turn.
#pragma once

#include <functional>

#include "daemon/decision/counters.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/report.h"
#include "daemon/edge/socket.h"
#include "daemon/session/gateway.h"

namespace wayleave {

// 503 for a socket that nobody has read from.
void refuse_socket(const FileDescriptor& socket, bool tls);

// A descriptor kept back, so that when none is left a client can still be told so.
class Reserve {
  public:
    Reserve();
    // Closes it for a moment, accepts one connection from `listener` in its place and refuses it.
    void refuse_one(const FileDescriptor& listener, bool tls);

  private:
    FileDescriptor fd_;
};

class Listener {
  public:
    using Accepted = std::function<void(FileDescriptor socket, const Peer& peer)>;

    struct Parts {  // all but the socket are borrowed
        Loop& loop;
        ConnectionQuota& quota;
        Counters& counters;
        Reserve& reserve;
        const Now& now;
        const EdgeReport& report;
    };

    Listener(const Parts& parts, FileDescriptor socket, bool tls, size_t per_turn, Accepted accepted);

    // Those who came before the socket is closed: they have heard from the kernel that they are connected.
    void accept_rest();

  private:
    void readable() { (void)accept_some(per_turn_); }
    [[nodiscard]] bool accept_some(size_t most);
    void back_off(int error);
    void resume();

    Parts parts_;
    FileDescriptor socket_;
    const bool tls_;
    const size_t per_turn_;
    Accepted accepted_;
    IoWatcher io_;
    Timer timer_;
    int64_t delay_ms_;
};

}  // namespace wayleave
