// Gives the listening sockets to another daemon that takes over from this one, and learns what became of it.
// Until it is ready nothing changes here; if it fails, nothing has. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"
#include "daemon/ops/control/control_publisher.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/http_server.h"

namespace wayleave {

class HandOver {
  public:
    struct Parts {
        Loop& loop;  // borrowed
        // All that is listened on, with descriptors of their own.
        std::function<std::vector<GivenListener>()> listeners;
        // The other one serves, as the process of this number.
        std::function<void(int64_t process)> done;
    };
    explicit HandOver(Parts parts) : parts_(std::move(parts)) {}

    // The answer for the other daemon. With the sockets goes a line to here: by it the daemon says that it is
    // ready, or it breaks.
    [[nodiscard]] Result<OpsAnswer, DeskError> begin();
    [[nodiscard]] bool begun() const { return line_.open(); }

  private:
    void hear();
    void end();

    const Parts parts_;
    FileDescriptor line_;
    std::unique_ptr<IoWatcher> watcher_;
    std::unique_ptr<IoWatcher> heard_;  // freed outside of its own callback
};

}  // namespace wayleave
