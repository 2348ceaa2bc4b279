// What the subscribers of a channel get: each message once and in order, or word of the gap. One thread.
#pragma once

#include <span>

#include "daemon/session/conflator.h"
#include "daemon/session/replayer.h"

namespace wayleave {

class Delivery {
  public:
    Delivery(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Replayer& replayer,
             DeliveryNotes& notes, Outbox& outbox, Counters& counters);

    // From the front on, as much as one write to a subscriber takes: how many publications that was.
    [[nodiscard]] size_t deliver(std::span<const Publication> publications, Allowance& allowance, Now now);
    [[nodiscard]] Conflator& conflator() { return conflator_; }

  private:
    void take(const Publication& publication, Now now);
    void stand(Channel& channel, Position top, Now now);
    void deliver(Channel& channel, const Publication& publication, Now now);

    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    DeliveryNotes& notes_;
    Outbox& outbox_;
    Counters& counters_;
    Conflator conflator_;
    size_t to_stalled_ = 0;  // deliveries: see Allowance
};

}  // namespace wayleave
