// The daemon: builds the workers from the settings and runs the main loop, which has the signals, the admin
// address, the control socket and the service manager. The main thread never serves a client.
#pragma once

#include <memory>
#include <string>

#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/server/given_sockets.h"
#include "daemon/ops/server/start_error.h"
#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

class IdentityServices;

struct StartOptions {
    GivenSockets given;      // need not be bound
    bool take_over = false;  // from the daemon that answers at the control socket
    std::string version;     // for metrics and status
};

class Server {
  public:
    // Binds, starts the workers and serves. `identity_services` is borrowed: the one that the runtime was
    // loaded with.
    static Result<std::unique_ptr<Server>, StartError> start(const Settings& settings,
                                                             const LoadedRuntime& loaded,
                                                             IdentityServices& identity_services,
                                                             StartOptions options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Until a signal ends it; everything is closed then. The exit code.
    [[nodiscard]] int run();

  private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace wayleave
