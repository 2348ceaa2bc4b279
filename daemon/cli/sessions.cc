#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/control_options.h"
#include "daemon/core/escape.h"

namespace wayleave {

namespace {

struct SessionsOptions {
    ControlAddress address;
    std::string format = "text";
};

int sessions(const SessionsOptions& options) {
    const auto answer = ask_daemon(options.address, "GET", "/sessions");
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::array list;
    if (answer->status != 200 || parser.parse(answer->body).get(document) != simdjson::SUCCESS ||
        document["sessions"].get(list) != simdjson::SUCCESS) {
        complain(fmt::format("the daemon gave an answer that is not understood (status {})", answer->status));
        return EX_PROTOCOL;
    }
    if (options.format == "json") {
        write_text(stdout, answer->body);
        return EX_OK;
    }
    for (const simdjson::dom::element session : list) {
        write_text(stdout, fmt::format("{}  {:<20} {:<39} {:>8} s  {:>5} channels  {}\n",
                                       text_of(session, "session"), text_of(session, "route"),
                                       text_of(session, "ip"), session["age_ms"].get_int64().value() / 1000,
                                       session["channels"].get_int64().value(),
                                       escape_peer_text(text_of(session, "user"), 128)));
    }
    const bool more = document["more"].get_bool().value();
    if (more) complain(fmt::format("these are not all: {} are open", document["count"].get_int64().value()));
    return EX_OK;
}

}  // namespace

void add_sessions(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("sessions", "List the connections of the running daemon.");
    auto options = std::make_shared<SessionsOptions>();
    add_control_options(*command, options->address);
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->footer(
        "`wayleave explain --live SESSION` asks the policy about one of them.\n"
        "Exit status: 0, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = sessions(*options); });
}

}  // namespace wayleave
