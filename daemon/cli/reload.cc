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

int show_done(const simdjson::dom::element& document) {
    const auto counted = [&](const char* name, std::string_view noun) {
        const uint64_t count = document[name].get_uint64();
        return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
    };
    write_text(stderr, text_of(document, "diagnostics"));
    write_text(stdout,
               fmt::format("reloaded: generation {}, {}, {}\n", document["generation"].get_uint64().value(),
                           counted("files", "file"), counted("routes", "route")));
    for (const simdjson::dom::element name : document["restart_needed"].get_array()) {
        complain(std::string(std::string_view(name)) + " has changed and takes effect at the next start");
    }
    return EX_OK;
}

int reload(const ControlAddress& address) {
    const auto answer = ask_daemon(address, "POST", "/reload");
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    if (parser.parse(answer->body).get(document) != simdjson::SUCCESS) {
        complain(fmt::format("the daemon gave an answer that is not JSON (status {})", answer->status));
        return EX_PROTOCOL;
    }
    if (answer->status == 200) return show_done(document);
    write_text(stderr, text_of(document, "diagnostics"));
    complain(text_of(document, "detail"));
    return answer->status == 422 ? EX_CONFIG : EX_PROTOCOL;
}

}  // namespace

void add_reload(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "reload", "Have the running daemon read its files again, and wait for the result.");
    auto address = std::make_shared<ControlAddress>();
    add_control_options(*command, *address);
    command->footer(
        "Exit status: 0 the new configuration is in force, 69 no daemon answers,\n"
        "78 refused: the earlier configuration stays in force.");
    command->callback([address, &exit_code] { exit_code = reload(*address); });
}

}  // namespace wayleave
