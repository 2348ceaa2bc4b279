#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/escape.h"
#include "daemon/base/json_writer.h"
#include "daemon/cli/all_nodes.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct SessionsOptions {
    ControlAddress address;
    std::string format = "text";
    std::string user;
    std::string route;
    std::string ip;
    std::string channel;
    bool all = false;
};

std::string filter_of(const SessionsOptions& options) {
    constexpr int most_of_each = 500;  // Redis passes them on
    JsonObject out;
    out.add_if_any("user", options.user).add_if_any("route", options.route);
    if (options.all) out.add("most", most_of_each);
    return out.add_if_any("ip", options.ip).add_if_any("channel", options.channel).text();
}

constexpr std::string_view session_row = "{:<16}  {:<20} {:<39} {:>8} {:>8}  {}\n";

void show_sessions(const simdjson::dom::element& document) {
    simdjson::dom::array list;
    if (document["sessions"].get(list) != simdjson::SUCCESS) return;
    if (list.size() > 0)
        write_text(stdout,
                   fmt::format(session_row, "SESSION", "ROUTE", "ADDRESS", "SECONDS", "CHANNELS", "USER"));
    for (const simdjson::dom::element session : list) {
        write_text(stdout, fmt::format(session_row, shown_text(session, "session"),
                                       shown_text(session, "route"), shown_text(session, "ip"),
                                       number_of(session, "age_ms") / 1000, number_of(session, "channels"),
                                       escape_peer_text(text_of(session, "user"), 128)));
    }
    bool more = false;
    if (document["more"].get(more) == simdjson::SUCCESS && more)
        complain(fmt::format("these are not all: {} are open", number_of(document, "count")));
}

int sessions_of_all(const SessionsOptions& options) {
    return ask_all_nodes(options.address, {"POST", "/sessions", filter_of(options), options.format},
                         [&](const simdjson::dom::element& answer) {
                             if (options.format == "text") show_sessions(answer);
                         });
}

int sessions(const SessionsOptions& options) {
    const auto answer = ask_daemon(options.address, "POST", "/sessions", filter_of(options));
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::array list;
    if (answer->status == 400 && parser.parse(answer->body).get(document) == simdjson::SUCCESS) {
        complain(text_of(document, "detail"));
        return EX_USAGE;
    }
    if (answer->status != 200 || parser.parse(answer->body).get(document) != simdjson::SUCCESS ||
        document["sessions"].get(list) != simdjson::SUCCESS) {
        complain(strange_answer(*answer));
        return EX_PROTOCOL;
    }
    if (options.format == "json") {
        write_json(answer->body);
        return EX_OK;
    }
    show_sessions(document);
    return EX_OK;
}

}  // namespace

void add_sessions(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("sessions", "List the connections of the running daemon.");
    auto options = std::make_shared<SessionsOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    command->add_option("--user", options->user, "Only those of this user")->check(filled());
    command->add_option("--route", options->route, "Only those on this route")->check(filled());
    command->add_option("--ip", options->ip, "Only those from this address or network")->check(filled());
    command->add_option("--channel", options->channel, "Only those that are in this channel")
        ->check(filled());
    command->footer(
        "`wayleave explain --live SESSION` asks the policy about one of them.\n"
        "Exit status: 0, 64 the filter is none, 69 no daemon answers, 75 a node has not answered.");
    add_all(*command, options->all);
    command->callback(
        [options, &exit_code] { exit_code = options->all ? sessions_of_all(*options) : sessions(*options); });
}

}  // namespace wayleave
