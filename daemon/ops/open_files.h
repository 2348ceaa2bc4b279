// How many connections the limit on open files carries.
#pragma once

#include <cstddef>

#include "daemon/ops/settings.h"
#include "dsl/result.h"

namespace wayleave {

// Raises the soft limit as far as it is of use. The most connections, with descriptors left over for the log,
// a reload, the control socket and `for_backends`. Error: max_connections is set, and the limit does not
// carry it.
[[nodiscard]] Result<size_t> fit_open_files(const Settings& settings, size_t for_backends);

}  // namespace wayleave
