// How what core and edge have to say becomes a line of the log.
#pragma once

#include "daemon/edge/report.h"

namespace wayleave {

// Values that are secret are written as a hash with a key that is drawn here: in the lines of one run of the
// daemon the same value can be recognised, and nobody who tries names finds out which it is. Thread-safe.
[[nodiscard]] EdgeReport make_event_report();

}  // namespace wayleave
