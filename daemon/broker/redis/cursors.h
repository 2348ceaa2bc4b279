// How far users have come in channels with acknowledgements.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/broker/delivered_notes.h"
#include "daemon/broker/redis/calls.h"
#include "daemon/broker/redis/shared.h"

namespace wayleave {

class RedisCursors {
  public:
    RedisCursors(RedisShared& shared, RedisCalls& calls, DeliveredNotes& notes)
        : shared_(shared), calls_(calls), notes_(notes) {}

    // What was held in the gate is let go with the answer.
    void acknowledge(const Cursor& cursor, const Ticket& ticket);
    void progress(const Cursor& cursor, const Ticket& ticket);
    // Once a second some of what was noted is written.
    void turn();

  private:
    void run(const char* what, const Cursor& cursor, RedisCalls::Done done);

    RedisShared& shared_;
    RedisCalls& calls_;
    DeliveredNotes& notes_;
    int64_t noted_ms_ = 0;
    size_t under_way_ = 0;  // notes
};

}  // namespace wayleave
