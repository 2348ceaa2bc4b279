// The addresses of the settings, opened for every worker.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "daemon/edge/tls_side.h"
#include "daemon/edge/worker.h"
#include "daemon/ops/control/unix_listener.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

struct OpenListeners {
    std::vector<std::vector<WorkerListener>> of_workers;
    std::vector<std::string> names;      // as they are bound: "https://127.0.0.1:8443"
    std::list<UnixListener> unix_files;  // which they remove when they go
};

// `tls` has one for each listener.
[[nodiscard]] Result<OpenListeners, StartError> open_listeners(
    const StartSettings& settings, const std::vector<std::shared_ptr<const TlsSide>>& tls);

[[nodiscard]] ListenAddress listen_address(const std::string& text);  // of the settings, which were checked

}  // namespace wayleave
