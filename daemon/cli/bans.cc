#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/control_options.h"

namespace wayleave {

namespace {

struct BansOptions {
    ControlAddress address;
    std::string format = "text";
    std::string name;  // to be lifted
};

int64_t number(const simdjson::dom::element& ban, const char* name) {
    int64_t out = 0;
    return ban[name].get(out) == simdjson::SUCCESS ? out : 0;
}

int not_understood(const ControlAnswer& answer) {
    complain(strange_answer(answer));
    return EX_PROTOCOL;
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
    for (const simdjson::dom::element ban : bans) {
        write_text(
            stdout,
            fmt::format("{}  {}  route {}, {} s left, {}. in a row, {}{}\n", text_of(ban, "id"),
                        text_of(ban, "who"), text_of(ban, "route"), (number(ban, "left_ms") + 999) / 1000,
                        number(ban, "times"), text_of(ban, "place"),
                        text_of(ban, "because").empty() ? "" : ": " + std::string(text_of(ban, "because"))));
    }
    const auto count = static_cast<size_t>(number(document, "count"));
    if (count > bans.size()) complain(fmt::format("these are not all: {} are in force", count));
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
    command->footer("Exit status: 0, 65 there is no such ban, 69 no daemon answers.");
    command->callback([command, options, lifting, &exit_code] {
        exit_code = command->got_subcommand(lifting) ? lift(*options) : list(*options);
    });
}

}  // namespace wayleave
