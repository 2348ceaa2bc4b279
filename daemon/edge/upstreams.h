// The sockets that one worker has at backends: made, written to and read from as the gateway asks. It knows
// neither handshakes nor frames. One thread.
#pragma once

#include <cstddef>
#include <memory>

#include "daemon/decision/counters.h"
#include "daemon/edge/connection_quota.h"
#include "daemon/edge/loop.h"
#include "daemon/session/gateway.h"

namespace wayleave {

class Upstreams {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        Gateway& gateway;
        ConnectionQuota& quota;
        const Now& now;  // of this turn
    };

    explicit Upstreams(const Parts& parts);
    ~Upstreams();  // closes what is open
    Upstreams(const Upstreams&) = delete;
    Upstreams& operator=(const Upstreams&) = delete;

    // Does what the gateway asks for. True: that may have given clients something to do.
    bool work_off();
    [[nodiscard]] size_t sockets() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
