// What the subscribers of a channel get: each message once and in order, or word of the gap. One thread.
#pragma once

#include <span>

#include "daemon/session/conflator.h"
#include "daemon/session/replayer.h"

namespace wayleave {

class PublicationRun;
class Tracer;

class Delivery {
  public:
    Delivery(Hub& hub, Subscriptions& subscriptions, const Bindings& bindings, Replayer& replayer,
             DeliveryNotes& notes, Outbox& outbox, Tracer& tracer, Counters& counters);

    // From the front on, as much as one write to a subscriber takes: how many publications that was.
    [[nodiscard]] size_t deliver(std::span<const Publication> publications, Allowance& allowance, Now now);
    [[nodiscard]] Conflator& conflator() { return conflator_; }

  private:
    // From the front on: how many. Those that follow each other in one channel are taken together.
    [[nodiscard]] size_t take(std::span<const Publication> publications, const Allowance& allowance, Now now);
    void stand(Channel& channel, Position top, Now now);
    // They are of one channel and of one numbering.
    void deliver(Channel& channel, std::span<const Publication> publications, Now now);
    void give(Subscriber& subscriber, Channel& channel, PublicationRun& run, const dsl::ChannelRules& rules,
              Now now);

    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    DeliveryNotes& notes_;
    Outbox& outbox_;
    Tracer& tracer_;
    Counters& counters_;
    Conflator conflator_;
    size_t to_stalled_ = 0;  // deliveries: see Allowance
};

}  // namespace wayleave
