#include <sysexits.h>

#include <memory>

#include "daemon/cli/json_answer.h"

namespace wayleave {

void add_reopen(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "reopen", "Have the running daemon open the file of its log anew, as after logrotate.");
    auto address = std::make_shared<ControlAddress>();
    add_control_options(*command, *address);
    command->footer("Exit status: 0, 65 the log is no file or it cannot be opened, 69 no daemon answers.");
    command->callback([address, &exit_code] {
        const auto answer = ask_for_json(*address, "POST", "/reopen");
        exit_code = answer ? EX_OK : answer.error();
    });
}

}  // namespace wayleave
