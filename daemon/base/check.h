// A standing invariant. It stays on in release: a process that is stopped and started again does less harm
// than one that goes on with lists that contradict each other.
#pragma once

#include <stdexcept>

namespace wayleave {

inline void check(bool holds, const char* what) {
    if (!holds) [[unlikely]]
        throw std::logic_error(what);
}

}  // namespace wayleave
