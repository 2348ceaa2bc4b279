#include "daemon/ops/settings/memory_limit.h"

#include <fstream>
#include <string>

namespace wayleave {

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
