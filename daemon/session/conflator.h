// What channels with `conflate` or `batch` hold back until their window is over. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>

#include "daemon/session/subscriptions.h"

namespace wayleave {

class Conflator {
  public:
    // `deliver` is called by release(), and by gather() for what begins a window or fills one.
    using Deliver = std::function<void(Channel&, const Publication&, Now)>;
    Conflator(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Counters& counters,
              Deliver deliver);

    void gather(Channel& channel, const Publication& publication, const dsl::ChannelRules& rules, Now now);
    // When release() has something to do: steady time; INT64_MAX: never.
    [[nodiscard]] int64_t release_at_ms() const { return due_.empty() ? INT64_MAX : due_.top().at_ms; }
    void release(Now now);
    // The window of this channel is over.
    void release(Channel& channel, Now now);
    void release_all(Now now);  // memory is short: nothing is held back

  private:
    struct Due {
        int64_t at_ms = 0;
        std::string channel;
        bool operator<(const Due& other) const { return at_ms > other.at_ms; }  // the next is on top
    };
    [[nodiscard]] bool is_full(const Gathered& gathered) const;
    void open_window(Channel& channel, int64_t until_ms);

    Hub& hub_;
    Subscriptions& subscriptions_;
    const Bindings& bindings_;
    Counters& counters_;
    Deliver deliver_;
    std::priority_queue<Due> due_;  // one may be gone, or have another time
};

}  // namespace wayleave
