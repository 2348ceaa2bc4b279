// How much memory the process may take, and what it means to come near it. The state is pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wayleave {

enum class MemoryState : uint8_t {
    ample,
    refusing,  // from 90 % on: no new connections
    shedding,  // from 95 % on: caches go, and the readers for whom most is waiting
};

[[nodiscard]] std::string_view to_string(MemoryState state);

class MemoryBudget {
  public:
    // 0: there is none. A smaller or larger one is judged at the next update().
    void set_budget(size_t bytes) { budget_ = bytes; }
    // It is ample again below 80 % only, so that it does not swing.
    MemoryState update(size_t used);

    [[nodiscard]] size_t budget() const { return budget_; }
    [[nodiscard]] size_t used() const { return used_; }
    [[nodiscard]] MemoryState state() const { return state_; }

  private:
    size_t budget_ = 0;
    size_t used_ = 0;
    MemoryState state_ = MemoryState::ample;
};

// Resident bytes of this process; 0 if the kernel does not say.
[[nodiscard]] size_t resident_bytes();

}  // namespace wayleave
