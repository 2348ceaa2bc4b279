// Who at this worker listens to which channel. Owned by the gateway; one thread. The broker is told of the
// first subscriber of a channel and of the last that leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/broker.h"
#include "daemon/core/session.h"
#include "daemon/core/string_map.h"

namespace wayleave {

struct Channel {
    std::string name;
    std::vector<Session*> subscribers;
};

class Hub {
  public:
    Hub(uint32_t worker, Broker& broker) : worker_(worker), broker_(broker) {}

    // False if it is subscribed already.
    bool subscribe(Session& session, std::string_view channel, bool joined = false);
    [[nodiscard]] bool is_subscribed(Session& session, std::string_view channel) const;
    bool unsubscribe(Session& session, std::string_view channel);
    void leave_all(Session& session);

    [[nodiscard]] const Channel* find(std::string_view channel) const;
    [[nodiscard]] size_t channels() const { return channels_.size(); }
    [[nodiscard]] size_t subscriptions() const { return subscriptions_; }

  private:
    void remove(Session& session, size_t index);

    uint32_t worker_;
    Broker& broker_;
    StringMap<std::unique_ptr<Channel>> channels_;
    size_t subscriptions_ = 0;
};

}  // namespace wayleave
