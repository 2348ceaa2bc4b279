#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/all_nodes.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct LogOptions {
    ControlAddress address;
    std::string format = "text";
    std::string level;
    std::string user;
    std::string session;
    std::string route;
    std::string rule;
    int64_t for_ms = 5 * 60'000;
    bool reset = false;
};

std::string order_of(const LogOptions& options) {
    JsonObject out;
    out.add("level", options.level.empty() ? "debug" : options.level).add("for_ms", options.for_ms);
    out.add_if_any("user", options.user).add_if_any("session", options.session);
    return out.add_if_any("route", options.route).add_if_any("rule", options.rule).text();
}

std::string left_of(const simdjson::dom::element& object) {
    const uint64_t left_ms = number_of(object, "left_ms");
    return left_ms == 0 ? std::string() : fmt::format(", for {} s more", (left_ms + 999) / 1000);
}

void show(const simdjson::dom::element& state) {
    write_text(stdout, fmt::format("level {}{}\n", shown_text(state, "level"), left_of(state)));
    for (const simdjson::dom::element filter : state["filters"].get_array()) {
        std::string names;
        for (const char* name : {"user", "session", "route", "rule"}) {
            std::string_view text;
            if (filter[name].get(text) == simdjson::SUCCESS)
                names += fmt::format(" {} {}", name, shown_text(filter, name));
        }
        write_text(stdout,
                   fmt::format("level {} of{}{}\n", shown_text(filter, "level"), names, left_of(filter)));
    }
}

int log(const LogOptions& options, bool filtered) {
    const bool sets = !options.level.empty() || filtered;
    const auto answer = options.reset ? ask_for_json(options.address, "POST", "/log/reset")
                        : sets        ? ask_for_json(options.address, "POST", "/log", order_of(options))
                                      : ask_for_json(options.address, "GET", "/log");
    if (!answer) return answer.error();
    if (options.format == "json") {
        write_json((*answer)->raw);
    } else {
        show((*answer)->document);
    }
    return EX_OK;
}

}  // namespace

void add_log(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("log", "Say what the running daemon writes to its log, for a while.");
    auto options = std::make_shared<LogOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    auto* level = command->add_option("--level", options->level, "Least level that is written")
                      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
    std::vector<CLI::Option*> filters;
    filters.push_back(command->add_option("--user", options->user, "Only what this user does"));
    filters.push_back(command->add_option("--session", options->session, "Only what this connection does"));
    filters.push_back(command->add_option("--route", options->route, "Only what is done on this route"));
    filters.push_back(command->add_option("--rule", options->rule, "Only refusals by this line"));
    for (CLI::Option* filter : filters) filter->check(filled());
    add_duration(*command, "--for", options->for_ms, "How long; 5m by default");
    command->add_flag("--reset", options->reset, "End what was set so")->excludes(level);
    command->footer(
        "Without options: what is set. With a filter, --level debug writes each message, delivery and "
        "refusal of who\n"
        "fits, whatever log.level says.\n"
        "Exit status: 0, 64 what is asked is none, 69 no daemon answers, 75 too much is watched.");
    command->callback([options, filters, &exit_code] {
        const bool filtered = std::any_of(filters.begin(), filters.end(),
                                          [](const CLI::Option* one) { return one->count() > 0; });
        exit_code = log(*options, filtered);
    });
}

}  // namespace wayleave
