// What stands between workers: a publication on one reaches the subscribers of all. Implemented in
// daemon/broker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/shared_frame.h"

namespace wayleave {

// One publication on its way to subscribers. A value; cheap to copy.
struct Publication {
    std::shared_ptr<const std::string> channel;
    std::shared_ptr<const SharedFrame> native;  // of dialect `wayleave.v1`
    uint64_t except = 0;  // the session that published and does not want it back; 0: nobody
};

// Who has a seat: a connection of one worker, by its place there and the session's number.
struct Occupant {
    uint32_t worker = 0;
    uint64_t place = 0;
    uint64_t session = 0;

    friend bool operator==(const Occupant&, const Occupant&) = default;
};

// A worker's letter box. push() may be called by any thread and wakes the worker; order per sender is kept.
class Inbox {
  public:
    virtual ~Inbox() = default;
    virtual void push(const Publication& publication) = 0;
    // The connection has lost its seat to a newer one and ends.
    virtual void unseat(const Occupant& occupant) = 0;
};

class Broker {
  public:
    virtual ~Broker() = default;

    // Before the threads start. The inbox must outlive the broker's last publication. Returns the worker's
    // number.
    virtual uint32_t add_worker(Inbox& inbox) = 0;

    // A worker subscribes to a channel when its first connection does, and leaves with its last. Any thread.
    virtual void subscribe(uint32_t worker, std::string_view channel) = 0;
    virtual void unsubscribe(uint32_t worker, std::string_view channel) = 0;

    // To the inbox of every worker that subscribed, the publisher's too. Two publications on a channel arrive
    // in the same order everywhere. Any thread; never blocks on a peer.
    virtual void publish(const Publication& publication) = 0;

    // One of `most` seats under the key. When all are taken the oldest are told that they are not theirs any
    // more. Any thread.
    virtual void take_seat(std::string_view key, int64_t most, const Occupant& occupant) = 0;
    virtual void leave_seat(std::string_view key, const Occupant& occupant) = 0;
};

}  // namespace wayleave
