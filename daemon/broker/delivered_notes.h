// How far publications were handed to the operating system, by channel and user, until the writer finds time
// to store it. Thread-safe. Bounded: a note that does not fit is left out, since these are notes and no
// promises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/string_map.h"
#include "daemon/message/broker.h"

namespace wayleave {

class DeliveredNotes {
  public:
    void add(Cursor cursor);
    // 0: nothing is noted in this epoch.
    [[nodiscard]] uint64_t find(std::string_view channel, std::string_view user, uint64_t epoch) const;
    // Some of them. They stay until stored() says that they are written as far as that.
    [[nodiscard]] std::vector<Cursor> some(size_t most) const;
    void stored(const std::vector<Cursor>& cursors);

  private:
    mutable std::mutex mutex_;
    StringMap<Cursor> notes_;  // by user and channel
};

}  // namespace wayleave
