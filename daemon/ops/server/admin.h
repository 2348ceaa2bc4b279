// What the admin address answers: health, readiness and metrics. Read-only, and nothing secret.
#pragma once

#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/snapshot.h"

namespace wayleave {

[[nodiscard]] OpsAnswer answer_admin(const OpsRequest& request, const Snapshot& snapshot);

}  // namespace wayleave
