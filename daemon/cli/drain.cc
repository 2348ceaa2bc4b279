#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct DrainOptions {
    ControlAddress address;
    std::string format = "text";
    int64_t over_ms = 0;
    bool undo = false;
};

int drain(const DrainOptions& options) {
    JsonObject order;
    if (options.over_ms > 0) order.add("over_ms", options.over_ms);
    const auto answer =
        ask_for_json(options.address, "POST", "/drain", order.add("undo", options.undo).text());
    if (!answer) return answer.error();
    if (options.format == "json") {
        write_json((*answer)->raw);
    } else if (options.undo) {
        write_text(stdout, "ready: new clients are welcome, and those who are here stay\n");
    } else {
        write_text(stdout, fmt::format("draining: /readyz answers 503, and {} sockets are sent away; "
                                       "`wayleave drain --undo` ends it\n",
                                       number_of((*answer)->document, "sockets")));
    }
    return EX_OK;
}

}  // namespace

void add_drain(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "drain", "Send the clients of the running daemon to others, and let no balancer send new ones.");
    auto options = std::make_shared<DrainOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    auto* over = add_duration(*command, "--over", options->over_ms,
                              "The while over which they are spread; limits.drain by default");
    command->add_flag("--undo", options->undo, "Be ready again")->excludes(over);
    command->footer(
        "The daemon goes on, and still serves who comes; `systemctl stop` drains and ends it.\n"
        "Exit status: 0, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = drain(*options); });
}

}  // namespace wayleave
