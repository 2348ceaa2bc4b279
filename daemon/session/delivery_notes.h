// What was delivered of channels with acknowledgements, told to the broker: the users' servers may know it
// when all that is queued is with the operating system. One thread.
#pragma once

#include "daemon/session/subscriptions.h"

namespace wayleave {

class DeliveryNotes {
  public:
    DeliveryNotes(Hub& hub, Broker& broker, Subscriptions& subscriptions)
        : hub_(hub), broker_(broker), subscriptions_(subscriptions) {}

    // A message of the channel is queued.
    void owe(Session& session, Channel& channel);
    // The queue is empty.
    void note_delivered(Session& session, Now now);

  private:
    Hub& hub_;
    Broker& broker_;
    Subscriptions& subscriptions_;
};

}  // namespace wayleave
