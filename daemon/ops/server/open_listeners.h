// The listeners of the settings, opened.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/edge/tls_side.h"
#include "daemon/edge/worker.h"
#include "daemon/ops/control/unix_listener.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"

namespace wayleave {

struct OpenListener {
    ListenerSettings settings;
    std::shared_ptr<const TlsSide> tls;  // null: it has none
    // Kept here, too, so that they can be handed on. Closed here as well, or connections wait there for
    // nobody.
    std::vector<FileDescriptor> sockets;
    bool passed = false;               // by a service manager, which keeps them
    std::optional<UnixListener> file;  // that we have made, and remove when this goes
    std::string shown;                 // as it is bound: "https://127.0.0.1:8443"
};

using OpenListeners = std::vector<OpenListener>;

// `tls` has one for each listener. Sockets that were given are used, the others are bound.
[[nodiscard]] Result<OpenListeners, StartError> open_listeners(
    const StartSettings& settings, const std::vector<std::shared_ptr<const TlsSide>>& tls,
    GivenSockets& given);

// With descriptors of the worker's own. Of sockets that share a port each worker gets some, of others all.
[[nodiscard]] Result<WorkerListener, StartError> listener_of_worker(const OpenListener& listener,
                                                                    size_t worker, size_t workers);
[[nodiscard]] Result<std::vector<WorkerListener>, StartError> listeners_of_worker(
    const OpenListeners& listeners, size_t worker, size_t workers);

// For a daemon that takes over: with descriptors of its own, which are not open where none was left.
[[nodiscard]] GivenListener to_hand_on(const OpenListener& listener);

// For metrics and health checks; not open if the settings want none. `passed`: it is a service manager's.
[[nodiscard]] Result<FileDescriptor, StartError> open_admin_socket(const StartSettings& settings,
                                                                   GivenSockets& given, bool& passed);

}  // namespace wayleave
