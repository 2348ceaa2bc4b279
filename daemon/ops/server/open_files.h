// How many connections the limit on open files carries.
#pragma once

#include <cstddef>

#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

// Raises the soft limit as far as it is of use. The most connections, with descriptors left over for the log,
// a reload, the control socket and `for_backends`. Error: the limit carries no daemon at all, or not
// max_connections where it is set.
[[nodiscard]] Result<size_t> fit_open_files(const StartSettings& settings, size_t for_backends);

}  // namespace wayleave
