// What the daemon believes when it is a backend's client over TLS: the system's authorities, or those of
// SSL_CERT_FILE. Reading them takes long, so a thread of its own does. All is called on the loop's thread.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/edge/helper_thread.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "dsl/text/result.h"

namespace wayleave {

class ClientTls {
  public:
    using Context = std::shared_ptr<SSL_CTX>;
    using Done = std::function<void(const Result<Context>&)>;

    explicit ClientTls(Loop& loop) : calls_(loop) {}

    // `done` is called once, perhaps before this returns; never after this is gone. What was read is believed
    // for ten minutes, so that a new authority needs no restart.
    void prepare(int64_t now_ms, Done done);

  private:
    void finish(const Result<Context>& made);

    Context context_;
    int64_t until_ms_ = 0;
    int64_t now_ms_ = 0;
    std::vector<Done> waiting_;
    LoopCalls calls_;
    std::unique_ptr<HelperThread> thread_;  // null until it is needed; the first to go
};

}  // namespace wayleave
