// What becomes of sessions, for the user's own servers (`notify`): told in the order of each session, at
// least once. Implemented in daemon/notify.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/connection.h"
#include "daemon/base/now.h"

namespace wayleave {

struct Notice {
    std::string backend;  // its name: who it is follows the policy in force when it is sent
    std::string path;     // behind its url
    std::string id;       // the same at each attempt
    std::string body;     // a JSON object without its closing brace
    uint64_t session = 0;
    std::string user = {};  // as the daemon tells users apart; empty: nobody
    bool last = false;      // says at its end whether the user is gone: `disconnect`
    int64_t delay_ms = 0;   // it waits so long first
    int64_t at_ms = 0;      // wall time
    // Whose answer is carried out where: the session, if it is there still.
    uint32_t worker = 0;
    ConnectionId from = {};
    std::string traceparent = {};  // of what was not on disk in between; else empty
};

// Any thread; never blocks.
class Notices {
  public:
    virtual ~Notices() = default;
    virtual void tell(Notice notice) = 0;
    // A session whose end is told of. `lost` is told of it if the daemon does not live to see that end, and
    // what is told is kept on disk.
    virtual void opened(uint64_t session, Notice lost) = 0;
    // Before its `disconnect` is told.
    virtual void closed(uint64_t session) = 0;
};

}  // namespace wayleave
