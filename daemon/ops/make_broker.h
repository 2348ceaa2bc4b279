// The broker that the settings ask for.
#pragma once

#include <memory>

#include "daemon/core/broker.h"
#include "daemon/core/now.h"
#include "daemon/ops/server.h"
#include "daemon/ops/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

// Blocking: a database is opened and checked.
Result<std::unique_ptr<Broker>, StartError> make_broker(const Settings& settings, Now now);

}  // namespace wayleave
