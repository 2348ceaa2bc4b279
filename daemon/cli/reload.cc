#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/control_options.h"

namespace wayleave {

namespace {

std::string text_of(const simdjson::dom::element& document, const char* name) {
    std::string_view text;
    return document[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

void show_changes(const simdjson::dom::element& document) {
    for (const simdjson::dom::element line : document["changes"].get_array())
        write_text(stdout, "  " + std::string(std::string_view(line)) + "\n");
}

void show_restart(const simdjson::dom::element& document) {
    for (const simdjson::dom::element name : document["restart_needed"].get_array()) {
        complain(std::string(std::string_view(name)) + " has changed and takes effect at the next start");
    }
}

int show_done(const simdjson::dom::element& document, const std::string& raw, const std::string& format) {
    if (format == "json") {
        write_json(raw);
        return EX_OK;
    }
    const auto counted = [&](const char* name, std::string_view noun) {
        const uint64_t count = document[name].get_uint64();
        return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
    };
    write_text(stderr, text_of(document, "diagnostics"));
    write_text(stdout,
               fmt::format("reloaded: generation {}, {}, {}{}\n", document["generation"].get_uint64().value(),
                           counted("files", "file"), counted("routes", "route"),
                           document["unchanged"].get_bool().value() ? "; the policy means the same" : ""));
    show_changes(document);
    show_restart(document);
    return EX_OK;
}

int show_forecast(const simdjson::dom::element& document, const std::string& raw, const std::string& format) {
    if (format == "json") {
        write_json(raw);
        return EX_OK;
    }
    write_text(stderr, text_of(document, "diagnostics"));
    write_text(stdout, "a reload would be done\n" + text_of(document, "forecast"));
    show_restart(document);
    return EX_OK;
}

struct ReloadOptions {
    ControlAddress address;
    bool dry_run = false;
    std::string format = "text";
};

int reload(const ReloadOptions& options) {
    const auto answer = ask_daemon(options.address, "POST", options.dry_run ? "/reload/dry-run" : "/reload");
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    if (parser.parse(answer->body).get(document) != simdjson::SUCCESS) {
        complain(fmt::format("the daemon gave an answer that is not JSON (status {})", answer->status));
        return EX_PROTOCOL;
    }
    if (answer->status == 200 && options.dry_run)
        return show_forecast(document, answer->body, options.format);
    if (answer->status == 200) return show_done(document, answer->body, options.format);
    if (options.format == "json") write_json(answer->body);
    write_text(stderr, text_of(document, "diagnostics"));
    complain(text_of(document, "detail"));
    if (answer->status == 503) return EX_TEMPFAIL;
    return answer->status == 422 ? EX_CONFIG : EX_PROTOCOL;
}

}  // namespace

void add_reload(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "reload", "Have the running daemon read its files again, and wait for the result.");
    auto options = std::make_shared<ReloadOptions>();
    add_control_options(*command, options->address);
    command->add_flag(
        "-n,--dry-run", options->dry_run,
        "Change nothing; tell what differs, what becomes of the connections, and which tests change");
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}));
    command->footer(
        "Exit status: 0 the new configuration is in force (or would be), 69 no daemon answers,\n"
        "75 it is stopping, or too many reloads wait: not tried,\n"
        "78 refused (or would be): the earlier configuration stays in force.");
    command->callback([options, &exit_code] { exit_code = reload(*options); });
}

}  // namespace wayleave
