#include <fmt/format.h>
#include <sysexits.h>

#include <chrono>
#include <csignal>
#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/base/now.h"
#include "daemon/cli/event_lines.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct TraceOptions {
    ControlAddress address;
    std::string format = "text";
    std::string who;
    std::string user;
    std::string session;
    std::string route;
    std::string rule;
    int64_t for_ms = 0;  // 0: until it is interrupted
};

volatile std::sig_atomic_t interrupted = 0;

std::string filter_of(const TraceOptions& options) {
    JsonObject out;
    out.add_if_any("who", options.who)
        .add_if_any("user", options.user)
        .add_if_any("session", options.session);
    return out.add_if_any("route", options.route).add_if_any("rule", options.rule).text();
}

void show(const simdjson::dom::element& document, const std::string& format) {
    for (const simdjson::dom::element event : document["events"].get_array())
        format == "json" ? write_json(simdjson::to_string(event) + "\n")
                         : write_text(stdout, event_line(event.get_object()));
    std::fflush(stdout);
    if (const uint64_t lost = number_of(document, "lost"); lost > 0)
        complain(fmt::format("{} more happened than could be kept", lost));
}

// A signal ends a wait of the kernel at the latest when the daemon answers, in five seconds.
int trace(const TraceOptions& options) {
    const auto begun = ask_for_json(options.address, "POST", "/trace", filter_of(options));
    if (!begun) return begun.error();
    const uint64_t number = number_of((*begun)->document, "trace");
    const std::string named = JsonObject().add("trace", number).text();
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    const int64_t until_ms = options.for_ms > 0 ? read_clocks().steady_ms + options.for_ms : INT64_MAX;
    int exit_code = EX_OK;
    for (int64_t now_ms = 0; interrupted == 0 && (now_ms = read_clocks().steady_ms) < until_ms;) {
        JsonObject asked;
        asked.add("trace", number);
        if (options.for_ms > 0) asked.add("wait_ms", until_ms - now_ms);
        const auto more = ask_for_json(options.address, "POST", "/trace/more", asked.text());
        if (!more) {
            exit_code = more.error();
            break;
        }
        show((*more)->document, options.format);
        if (std::ferror(stdout) != 0) break;  // nobody reads it any more
    }
    if (exit_code == EX_OK) (void)ask_for_json(options.address, "POST", "/trace/stop", named);
    return exit_code;
}

}  // namespace

void add_trace(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("trace", "Watch what connections of the running daemon do, as they do it.");
    auto options = std::make_shared<TraceOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    command->add_option("WHO", options->who, "A user, a session or a route")->check(filled());
    command->add_option("--user", options->user, "Connections of this user")->check(filled());
    command->add_option("--session", options->session, "This one")->check(filled());
    command->add_option("--route", options->route, "Connections on this route")->check(filled());
    command->add_option("--rule", options->rule, "Refusals by this line, such as chat.route:12")
        ->check(filled());
    add_duration(*command, "--for", options->for_ms, "How long; until it is interrupted by default");
    command->footer(
        "Shown are handshakes, messages that come, deliveries, refusals and ends, without what stands in "
        "them.\n"
        "With --format json each line is an object.\n"
        "Exit status: 0, 64 nothing says what, 69 no daemon answers, 75 too much is watched.");
    command->callback([options, &exit_code] { exit_code = trace(*options); });
}

}  // namespace wayleave
