#include <sysexits.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"
#include "daemon/ops/load/identity_services.h"
#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/log/log.h"
#include "daemon/ops/server/process.h"
#include "daemon/ops/server/server.h"

namespace wayleave {

namespace {

// Whatever is wrong before the daemon is up is said on standard error as it is for a person, not as log
// lines.
int serve(const std::string& config, bool take_over) {
    auto given = GivenSockets::of_service_manager();  // it changes the environment: before there are threads
    if (!given) {
        complain(given.error().text);
        return given.error().exit_code;
    }
    if (take_over && given->of_manager()) {
        complain("--take-over: the service manager passes the sockets; restart the unit instead");
        return EX_USAGE;
    }
    const auto settings = settings_or_complain(config);
    if (!settings) return settings.error();
    IdentityServices identity_services;
    const LoadedRuntime loaded = load_runtime(*settings, 1, &identity_services);
    if (!loaded.runtime) {
        write_text(stderr, loaded.render(colour_wanted(stderr)));
        return EX_CONFIG;
    }
    if (!settings->log_file.empty()) {
        if (auto opened = set_log_file(settings->log_file); !opened) {
            complain(opened.error());
            return EX_CANTCREAT;
        }
    }
    init_log(settings->log_level, settings->log_format);
    set_log_rate(static_cast<unsigned>(settings->log_rate));
    log_bugs();
    auto server =
        Server::start(*settings, loaded, identity_services, {std::move(*given), take_over, WAYLEAVE_VERSION});
    if (!server) {
        flush_log();
        complain(server.error().text);
        return server.error().exit_code;
    }
    const int exit_code = (*server)->run();
    if (!flush_log()) _exit(exit_code);
    return exit_code;
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("serve", "Run the daemon in the foreground.");
    auto config = std::make_shared<std::string>(default_config);
    command->add_option("-c,--config", *config, "Settings file")->type_name("FILE")->capture_default_str();
    auto take_over = std::make_shared<bool>(false);
    command->add_flag("--take-over", *take_over,
                      "Take the sockets of the running daemon, which ends when this one is ready");
    command->footer("SIGHUP reloads; SIGTERM and SIGINT end in good order, a second one at once.");
    command->callback([config, take_over, &exit_code] { exit_code = serve(*config, *take_over); });
}

}  // namespace wayleave
