// What an operator wants to know of the connections of a worker, and does to them: a little at a time, so
// that the others are served meanwhile. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "daemon/base/now.h"
#include "daemon/decision/connection_view.h"
#include "daemon/message/message.h"
#include "daemon/session/closing.h"
#include "daemon/session/session_table.h"

namespace wayleave {

struct ChannelSummary {
    std::string_view name;
    size_t subscribers = 0;  // of this worker
    Position newest;         // that came to this worker; epoch 0: it is not numbered
};

class OperatorRequests {
  public:
    OperatorRequests(const SessionTable& sessions, Closing& closing)
        : sessions_(sessions), closing_(closing) {}

    using See = std::function<void(const OpenConnection&)>;
    using Choose = std::function<bool(const OpenConnection&)>;

    // Those from slot `next` on; true when all have been seen.
    [[nodiscard]] bool walk(size_t& next, const See& see, Now now) const;
    // Likewise; each channel once, unless who is in it changes meanwhile.
    [[nodiscard]] bool walk_channels(size_t& next,
                                     const std::function<void(const ChannelSummary&)>& see) const;
    // Those that are chosen among the next `most` end in good order.
    [[nodiscard]] bool end(size_t& next, size_t most, const Choose& choose, const Farewell& farewell,
                           Now now);

    static constexpr size_t sessions_at_once = 250;

  private:
    const SessionTable& sessions_;
    Closing& closing_;
};

}  // namespace wayleave
