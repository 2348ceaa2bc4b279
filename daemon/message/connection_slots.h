// The connections that a `limit connections … on excess replace_oldest` counts, oldest first. Implemented in
// daemon/broker.
#pragma once

#include <cstdint>
#include <string_view>

namespace wayleave {

// Who has a slot: a connection of one worker, by its place there and the session's number.
struct SlotHolder {
    uint32_t worker = 0;
    uint64_t place = 0;
    uint64_t session = 0;
    uint64_t node = 0;  // of several daemons, the worker's; where there is one it is 0

    friend bool operator==(const SlotHolder&, const SlotHolder&) = default;
};

// Any thread.
class ConnectionSlots {
  public:
    virtual ~ConnectionSlots() = default;

    // One of `most` slots under the key. When all are taken the oldest are told that they are not theirs any
    // more.
    virtual void take(std::string_view key, int64_t most, const SlotHolder& holder) = 0;
    virtual void leave(std::string_view key, const SlotHolder& holder) = 0;
};

}  // namespace wayleave
