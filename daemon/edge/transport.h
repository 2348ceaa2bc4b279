// The sockets of one worker, carried by libwebsockets in its RAW role: TLS, partial writes, the descriptors
// on the loop. Everyone else knows a connection by its ConnectionId; a wsi never leaves this file's .cc. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/counters.h"
#include "daemon/core/gateway.h"
#include "daemon/edge/door.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/report.h"
#include "daemon/edge/socket.h"
#include "daemon/edge/tls_side.h"
#include "dsl/result.h"

namespace wayleave {

class Transports {
  public:
    struct Parts {  // borrowed
        Loop& loop;
        Gateway& gateway;
        Counters& counters;
        Door& door;
        const Now& now;  // of this turn
        const EdgeReport& report;
    };

    // The files of one TLS listener, as libwebsockets wants to see them, and its certificates.
    struct Side {
        TlsFiles files;
        std::shared_ptr<const TlsSide> tls;
    };

    // One TLS side for each element of `tls`. Contexts come and go one at a time in the process; the waiting
    // is done here. Error: what is wrong, with what lws says about it.
    static Result<std::unique_ptr<Transports>> create(const Parts& parts, std::vector<Side> tls,
                                                      int64_t handshake_timeout_ms);
    ~Transports();  // closes what is open
    // What lws has to say goes there. The function must outlive the thread.
    static void report_on_this_thread(const EdgeReport& report);
    Transports(const Transports&) = delete;
    Transports& operator=(const Transports&) = delete;

    // From now on new connections of the side get these certificates.
    void replace(size_t side, std::shared_ptr<const TlsSide> tls);

    static constexpr size_t plain = SIZE_MAX;
    // A socket that entered through the door and took a place there; it leaves both when it is closed, also
    // when this fails. `side` is an index in `tls`, or plain.
    void adopt(FileDescriptor socket, size_t side, const Peer& peer);

    // Does what the gateway asks for: writes, and closes.
    void work_off();
    // Every 100 ms: ends what hangs.
    void tick();

    // Also those that the gateway has done with and whose last bytes are on the way.
    [[nodiscard]] size_t sockets() const;

  private:
    class Impl;
    explicit Transports(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
