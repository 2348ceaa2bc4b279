// Connections with TLS, carried by libwebsockets in its RAW role: the handshake, the records, partial writes.
// A wsi never leaves this file's .cc. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "daemon/edge/carrier.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/report.h"
#include "daemon/edge/socket.h"
#include "daemon/edge/tls_side.h"
#include "dsl/text/result.h"

namespace wayleave {

class LwsCarriers {
  public:
    // The files of one TLS listener, as libwebsockets wants to see them, and its certificates.
    struct Side {
        TlsFiles files;
        std::shared_ptr<const TlsSide> tls;
    };

    // Contexts come and go one at a time in the process; the waiting is done here. Error: what is wrong, with
    // what lws says about it.
    static Result<std::unique_ptr<LwsCarriers>> create(Loop& loop, int64_t handshake_timeout_ms);
    ~LwsCarriers();  // closes what is open
    LwsCarriers(const LwsCarriers&) = delete;
    LwsCarriers& operator=(const LwsCarriers&) = delete;

    // What lws has to say goes there. The function must outlive the thread.
    static void report_on_this_thread(const EdgeReport& report);

    // Another side, while the loop turns or before; its number is for the calls below. Where libwebsockets
    // has one for whose listener is gone, and the last of its connections, that one is taken. Reads the
    // files.
    Result<size_t> add(Side side);
    // No connection comes to it any more; those that are open go on.
    void remove(size_t side);
    // From now on new connections of the side get these certificates.
    void replace(size_t side, std::shared_ptr<const TlsSide> tls);
    // Puts a carrier into `place`, which belongs to `events`: they may hear gone() before this returns.
    void adopt(FileDescriptor socket, size_t side, CarrierEvents& events, std::unique_ptr<Carrier>& place);
    void tick();  // every 100 ms

  private:
    class Impl;
    explicit LwsCarriers(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
