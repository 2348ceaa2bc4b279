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
    uint64_t number = 0;               // of all that there were in this process

    void take_file(OpenListener& from) {
        if (from.file) file.emplace(std::move(*from.file));
    }
};

using OpenListeners = std::vector<OpenListener>;

// `tls` has one for each listener. Sockets that were given are used, the others are bound.
[[nodiscard]] Result<OpenListeners, StartError> open_listeners(
    const StartSettings& settings, const std::vector<std::shared_ptr<const TlsSide>>& tls,
    GivenSockets& given);

// While others are listened on. `found`: what a service manager has passed for it.
[[nodiscard]] Result<OpenListener, StartError> open_listener(const ListenerSettings& own,
                                                             const std::shared_ptr<const TlsSide>& tls,
                                                             GivenListener found,
                                                             const StartSettings& settings);
// Another one at the same sockets; the file stays with the first.
[[nodiscard]] Result<OpenListener, StartError> open_again(const OpenListener& listener,
                                                          const ListenerSettings& own,
                                                          const std::shared_ptr<const TlsSide>& tls);
// Whether open_listener() would succeed, so far as that is known without trying. `given`: sockets are passed
// for it; `shared`: others of ours have its port.
[[nodiscard]] Started check_openable(const ListenerSettings& own, bool given, bool shared);
[[nodiscard]] bool have_one_port(const ListenerSettings& a, const ListenerSettings& b);
[[nodiscard]] std::string shown_as(const ListenerSettings& own, bool tls);  // before it is bound

// With descriptors of the worker's own. Of sockets that share a port each worker gets some, of others all.
[[nodiscard]] Result<WorkerListener, StartError> listener_of_worker(const OpenListener& listener,
                                                                    size_t worker, size_t workers);
[[nodiscard]] Result<std::vector<WorkerListener>, StartError> listeners_of_worker(
    const OpenListeners& listeners, size_t worker, size_t workers);

// For a daemon that takes over: with descriptors of its own, which are not open where none was left.
[[nodiscard]] GivenListener to_hand_on(const OpenListener& listener);

// As a service manager has passed it.
[[nodiscard]] GivenListener to_give_back(OpenListener listener);

// For metrics and health checks; not open if the settings want none. `passed`: it is a service manager's.
[[nodiscard]] Result<FileDescriptor, StartError> open_admin_socket(const StartSettings& settings,
                                                                   GivenSockets& given, bool& passed);

}  // namespace wayleave
