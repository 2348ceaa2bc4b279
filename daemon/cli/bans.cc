#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/all_nodes.h"

namespace wayleave {

namespace {

struct BansOptions {
    ControlAddress address;
    std::string format = "text";
    std::string name;  // to be lifted
    bool all = false;
};

int64_t number(const simdjson::dom::element& ban, const char* name) {
    int64_t out = 0;
    return ban[name].get(out) == simdjson::SUCCESS ? out : 0;
}

int not_understood(const ControlAnswer& answer) {
    complain(strange_answer(answer));
    return EX_PROTOCOL;
}

void show_bans(const simdjson::dom::element& document) {
    simdjson::dom::array bans;
    if (document["bans"].get(bans) != simdjson::SUCCESS) return;
    for (const simdjson::dom::element ban : bans) {
        const std::string because = shown_text(ban, "because");
        write_text(stdout,
                   fmt::format("{}  {}  route {}, {} s left, {}. in a row, {}{}\n", shown_text(ban, "id"),
                               shown_text(ban, "who"), shown_text(ban, "route"),
                               (number(ban, "left_ms") + 999) / 1000, number(ban, "times"),
                               shown_text(ban, "place"), because.empty() ? "" : ": " + because));
    }
    const auto count = static_cast<size_t>(number(document, "count"));
    if (count > bans.size()) complain(fmt::format("these are not all: {} are in force", count));
}

int list_of_all(const BansOptions& options) {
    return ask_all_nodes(options.address, {"GET", "/bans", {}, options.format},
                         [&](const simdjson::dom::element& answer) {
                             if (options.format == "text") show_bans(answer);
                         });
}

int list(const BansOptions& options) {
    const auto answer = ask_daemon(options.address, "GET", "/bans");
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::array bans;
    if (answer->status != 200 || parser.parse(answer->body).get(document) != simdjson::SUCCESS ||
        document["bans"].get(bans) != simdjson::SUCCESS)
        return not_understood(*answer);
    if (options.format == "json") {
        write_json(answer->body);
        return EX_OK;
    }
    show_bans(document);
    return EX_OK;
}

int lift(const BansOptions& options) {
    const auto answer = ask_daemon(options.address, "POST", "/bans/lift", options.name);
    if (!answer) return answer.error();
    if (answer->status == 404) {
        complain("no ban that is in force has this id, or is of them; `wayleave bans` lists them");
        return EX_DATAERR;
    }
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    if (answer->status != 200 || parser.parse(answer->body).get(document) != simdjson::SUCCESS)
        return not_understood(*answer);
    write_text(stdout, fmt::format("{} lifted\n", number(document, "lifted")));
    return EX_OK;
}

}  // namespace

void add_bans(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("bans", "List who is kept out by a `ban`, or let them in again.");
    auto options = std::make_shared<BansOptions>();
    add_control_options(*command, options->address);
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    auto* lifting = command->add_subcommand("lift", "End a ban at once, and forget how often it was.");
    lifting->add_option("KEY", options->name, "Its id, or who it is about, as listed")->required();
    lifting->fallthrough();  // the daemon may be named behind the key, too
    add_all(*command, options->all);
    command->footer(
        "Exit status: 0, 65 there is no such ban, 69 no daemon answers, 75 a node has not answered.");
    command->callback([command, options, lifting, &exit_code] {
        exit_code = command->got_subcommand(lifting) ? lift(*options)
                    : options->all                   ? list_of_all(*options)
                                                     : list(*options);
    });
}

}  // namespace wayleave
