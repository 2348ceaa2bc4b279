// The nodes of an installation, as `wayleave nodes` shows them. Pure.
#pragma once

#include <string>

#include "daemon/message/commons.h"

namespace wayleave {

// One JSON object and a newline.
[[nodiscard]] std::string nodes_json(const NodeList& list);

}  // namespace wayleave
