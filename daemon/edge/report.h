// What the edge has to say to the operator. The log belongs to daemon/ops, which the edge does not know: it
// is given this function when it is made.
#pragma once

#include <functional>

#include "daemon/base/event.h"

namespace wayleave {

// Called on any thread; must not block.
using EdgeReport = std::function<void(const Event&)>;

}  // namespace wayleave
