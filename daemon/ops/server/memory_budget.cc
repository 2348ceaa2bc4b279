#include "daemon/ops/server/memory_budget.h"

#include <unistd.h>

#include <fstream>
#include <string>

namespace wayleave {

std::string_view to_string(MemoryState state) {
    switch (state) {
        case MemoryState::ample: return "ample";
        case MemoryState::refusing: return "refusing";
        case MemoryState::shedding: return "shedding";
    }
    return "";
}

MemoryState MemoryBudget::update(size_t used) {
    used_ = used;
    const size_t percent = budget_ / 100;
    if (budget_ == 0 || used < percent * 80) {
        state_ = MemoryState::ample;
    } else if (used >= percent * 95) {
        state_ = MemoryState::shedding;
    } else if (used >= percent * 90 || state_ != MemoryState::ample) {
        state_ = MemoryState::refusing;
    }
    return state_;
}

size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    size_t all = 0;
    size_t resident = 0;
    if (!(statm >> all >> resident)) return 0;
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace wayleave
