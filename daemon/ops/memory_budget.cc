#include "daemon/ops/memory_budget.h"

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

namespace {

// 0: none is set.
size_t number_in(const std::string& path) {
    std::ifstream file(path);
    size_t bytes = 0;
    return file >> bytes ? bytes : 0;  // "max" is no number
}

}  // namespace

// The kernel reclaims beyond memory.high, and kills beyond memory.max; those of the groups around count, too.
size_t cgroup_memory_limit(const std::string& root, std::string group) {
    size_t least = 0;
    for (;;) {
        for (const char* name : {"/memory.high", "/memory.max"}) {
            const size_t bytes = number_in(root + group + name);
            if (bytes > 0 && (least == 0 || bytes < least)) least = bytes;
        }
        const size_t slash = group.rfind('/');
        if (group.empty() || slash == std::string::npos) return least;
        group.resize(slash);
    }
}

size_t own_memory_limit() {
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        if (line.starts_with("0::/")) return cgroup_memory_limit("/sys/fs/cgroup", line.substr(3));
    }
    return 0;
}

}  // namespace wayleave
