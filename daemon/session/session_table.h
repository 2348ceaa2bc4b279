// All sessions of one worker, by their ids. It owns them; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/connection.h"
#include "daemon/session/session.h"

namespace wayleave {

// An id as one number: in the timer wheel, and for others to name a connection by.
inline uint64_t pack(ConnectionId id) {
    return uint64_t{id.generation} << 32 | id.index;
}
inline ConnectionId unpack(uint64_t item) {
    return {static_cast<uint32_t>(item), static_cast<uint32_t>(item >> 32)};
}

class SessionTable {
  public:
    [[nodiscard]] Session& open();                       // with an id that nobody had before
    void close(ConnectionId id);                         // the id is dead from then on
    [[nodiscard]] Session* find(ConnectionId id) const;  // null for a dead id
    [[nodiscard]] size_t count() const { return slots_.size() - free_.size(); }

    // Shows sessions from place `next` on, until `see` has said of `most` that they were work. True when all
    // have been seen.
    template <typename See>
    bool visit(size_t& next, size_t most, See see) const {
        for (size_t done = 0; done < most && next < slots_.size(); ++next) {
            Session* session = slots_[next].session.get();
            if (session && see(*session)) ++done;
        }
        return next >= slots_.size();
    }

  private:
    struct Slot {
        uint32_t generation = 0;
        std::unique_ptr<Session> session;
    };

    std::vector<Slot> slots_;
    std::vector<uint32_t> free_;
};

}  // namespace wayleave
