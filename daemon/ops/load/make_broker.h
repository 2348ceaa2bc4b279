// The broker that the settings ask for.
#pragma once

#include <memory>

#include "daemon/base/now.h"
#include "daemon/message/broker.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

// Blocking: a database is opened and checked.
Result<std::unique_ptr<Broker>, StartError> make_broker(const StartSettings& settings, Now now);

}  // namespace wayleave
