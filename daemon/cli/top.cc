#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "daemon/base/now.h"
#include "daemon/cli/json_answer.h"
#include "daemon/cli/screen.h"
#include "daemon/cli/top_frame.h"

namespace wayleave {

namespace {

struct TopOptions {
    ControlAddress address;
    std::string format = "text";
    int64_t every_ms = 2000;
};

Result<TopSample, int> take_sample(const TopOptions& options) {
    const auto status = ask_daemon(options.address, "GET", "/status");
    if (!status) return failure(status.error());
    const auto sessions = ask_daemon(options.address, "GET", "/sessions");
    if (!sessions) return failure(sessions.error());
    const auto channels = ask_daemon(options.address, "POST", "/channels", "{\"most\":1000}");
    if (!channels) return failure(channels.error());
    return TopSample{read_clocks().steady_ms, status->body, sessions->body, channels->body};
}

Result<TopFrame, int> take_frame(const TopOptions& options, TopSample& before) {
    auto now = take_sample(options);
    if (!now) return failure(now.error());
    auto frame = top_frame(before, *now);
    before = std::move(*now);
    if (frame) return std::move(*frame);
    complain(frame.error() + "; are this program and the daemon of one version?");
    return failure(EX_PROTOCOL);
}

int one_frame(const TopOptions& options, TopSample& before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(options.every_ms));
    const auto frame = take_frame(options, before);
    if (!frame) return frame.error();
    if (options.format == "json") {
        write_json(json_of(*frame));
        return EX_OK;
    }
    for (const std::string& line : lines_of(*frame, SIZE_MAX)) write_text(stdout, line + "\n");
    return EX_OK;
}

// What is complained of is said when the screen is the terminal's again.
int live(const TopOptions& options, TopSample& before) {
    int failed = EX_OK;
    {
        Screen screen;
        while (failed == EX_OK && !screen.key_within(options.every_ms, 'q')) {
            auto now = take_frame(options, before);
            if (!now) {
                failed = now.error();
            } else {
                screen.show(lines_of(*now, screen.rows()));
            }
        }
    }
    return failed;
}

int top(const TopOptions& options) {
    auto before = take_sample(options);
    if (!before) return before.error();
    const bool screen = options.format == "text" && isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
    return screen ? live(options, *before) : one_frame(options, *before);
}

}  // namespace

void add_top(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("top", "Watch the running daemon: rates, refusals, channels, connections.");
    auto options = std::make_shared<TopOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    add_duration(*command, "--every", options->every_ms, "The while of a frame; 2s by default");
    command->footer(
        "On a terminal it goes on until q or Ctrl-C; else, and with --format json, it prints one frame.\n"
        "Exit status: 0, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = top(*options); });
}

}  // namespace wayleave
