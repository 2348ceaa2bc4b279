// The options of the subcommands that speak to a running daemon.
#pragma once

#include "daemon/cli/commands.h"
#include "daemon/cli/control_client.h"
#include "daemon/cli/terminal.h"

namespace wayleave {

inline void add_control_options(CLI::App& command, ControlAddress& address) {
    address.config = default_config;
    auto* config =
        command.add_option("-c,--config", address.config, "Settings file, which names the control socket");
    config->type_name("FILE")->capture_default_str();
    command.add_option("-s,--socket", address.socket, "Control socket")->type_name("PATH")->excludes(config);
}

}  // namespace wayleave
