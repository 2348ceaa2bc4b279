// The connections of one worker between the gateway and what carries them. It writes what is queued, and
// ends a connection that does not take it, does not finish or does not go. Everyone else knows a connection
// by its ConnectionId. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/decision/counters.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/lws_carriers.h"
#include "daemon/edge/pressure.h"
#include "daemon/edge/report.h"
#include "daemon/edge/socket.h"
#include "daemon/edge/tls_side.h"
#include "daemon/session/gateway.h"
#include "dsl/text/result.h"

namespace wayleave {

class Transports {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        Gateway& gateway;
        Counters& counters;
        ConnectionQuota& quota;
        const Now& now;  // of this turn
        const EdgeReport& report;
        const Pressure& pressure;
    };

    using Side = LwsCarriers::Side;

    Transports(const Parts& parts, int64_t handshake_timeout_ms);
    ~Transports();  // closes what is open
    Transports(const Transports&) = delete;
    Transports& operator=(const Transports&) = delete;

    // For a listener with TLS; see LwsCarriers::add(). Error: what is wrong.
    Result<size_t> add_side(Side side);
    void remove_side(size_t side);
    // From now on new connections of the side get these certificates.
    void replace(size_t side, std::shared_ptr<const TlsSide> tls);

    static constexpr size_t plain = SIZE_MAX;
    // A socket that entered through the quota and took a place there; it leaves both when it is closed, also
    // when this fails. `side` is a number of add_side(), or plain.
    void adopt(FileDescriptor socket, size_t side, const Peer& peer);

    // Does what the gateway asks for: writes, and closes.
    void work_off();
    // Every 100 ms: ends what hangs.
    void tick();
    // At the end of a turn: some of those that were not read from because publications found no room are read
    // from again, if there is room. True: there is, and more of them wait.
    [[nodiscard]] bool read_again();

    // Also those that the gateway has done with and whose last bytes are on the way.
    [[nodiscard]] size_t sockets() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
