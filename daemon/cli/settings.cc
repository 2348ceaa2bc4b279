#include <sysexits.h>

#include <memory>

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"

namespace wayleave {

void add_settings(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("settings", "Print the effective settings, and where each comes from.");
    auto config = std::make_shared<std::string>(default_config);
    command->add_option("-c,--config", *config, "Settings file")->type_name("FILE")->capture_default_str();
    command->callback([config, &exit_code] {
        const auto settings = settings_or_complain(*config);
        if (settings) write_text(stdout, print_settings(*settings));
        exit_code = settings ? EX_OK : settings.error();
    });
}

}  // namespace wayleave
