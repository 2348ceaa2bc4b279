// The addresses of backends. Names are looked up on a thread of its own: that may take seconds, and a loop
// must not wait for it. What was found is believed for a while. Everything is called on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "daemon/base/string_map.h"
#include "daemon/edge/helper_thread.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/loop_calls.h"
#include "dsl/text/result.h"

namespace wayleave {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

class NameResolver {
  public:
    using Answer = Result<std::vector<SocketAddress>>;  // at least one; or why there is none
    using Done = std::function<void(const Answer&)>;

    explicit NameResolver(Loop& loop) : calls_(loop) {}

    // `done` is called once, perhaps before this returns; never after the resolver is gone.
    void resolve(const std::string& host, uint16_t port, int64_t now_ms, Done done);

  private:
    struct Known {
        std::vector<SocketAddress> addresses;
        int64_t until_ms = 0;
    };

    void finish(const std::string& key, const Answer& answer);

    StringMap<Known> known_;
    StringMap<std::vector<Done>> waiting_;  // by host and port
    int64_t now_ms_ = 0;
    LoopCalls calls_;
    std::unique_ptr<HelperThread> thread_;  // null until a name is asked for; the first to go
};

}  // namespace wayleave
