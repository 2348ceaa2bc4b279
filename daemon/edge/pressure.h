// Whether publications find room in the mailboxes of all workers. A worker that reads them from sockets asks
// first; one that has them already is never kept waiting, so that no lock is held and no two wait for each
// other. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace wayleave {

class Pressure {
  public:
    [[nodiscard]] bool high() const { return full_.load(std::memory_order_relaxed) > 0; }
    // A mailbox is full.
    void rise() { full_.fetch_add(1, std::memory_order_relaxed); }
    // It has room again. True: and so have all.
    [[nodiscard]] bool fall() { return full_.fetch_sub(1, std::memory_order_relaxed) == 1; }

  private:
    std::atomic<uint32_t> full_{0};
};

}  // namespace wayleave
