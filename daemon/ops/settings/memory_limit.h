// How much memory the kernel gives this process's control group.
#pragma once

#include <cstddef>
#include <string>

namespace wayleave {

// The least memory.high or memory.max of a control group (cgroup v2, mounted at `root`) and of those around
// it, or 0 if there is none.
[[nodiscard]] size_t cgroup_memory_limit(const std::string& root, std::string group);
[[nodiscard]] size_t own_memory_limit();  // of this process's group

}  // namespace wayleave
