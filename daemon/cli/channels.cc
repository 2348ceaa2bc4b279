#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/all_nodes.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct ChannelsOptions {
    ControlAddress address;
    std::string format = "text";
    std::string begins;
    size_t most = 100;
};

std::string position_of(const simdjson::dom::element& channel) {
    uint64_t offset = 0;
    return channel["offset"].get(offset) == simdjson::SUCCESS ? std::to_string(offset) : "-";
}

int channels(const ChannelsOptions& options) {
    JsonObject question;
    question.add_if_any("begins", options.begins).add("most", options.most);
    const auto answer = ask_for_json(options.address, "POST", "/channels", question.text());
    if (!answer) return answer.error();
    if (options.format == "json") {
        write_json((*answer)->raw);
        return EX_OK;
    }
    constexpr std::string_view row = "{:>11} {:>12}  {}\n";
    const simdjson::dom::array list = (*answer)->document["channels"].get_array();
    if (list.size() > 0) write_text(stdout, fmt::format(row, "SUBSCRIBERS", "OFFSET", "CHANNEL"));
    for (const simdjson::dom::element channel : list) {
        write_text(stdout, fmt::format(row, number_of(channel, "subscribers"), position_of(channel),
                                       shown_text(channel, "channel")));
    }
    if ((*answer)->document["more"].get_bool().value())
        complain(fmt::format("these are not all: there are {}", number_of((*answer)->document, "count")));
    return EX_OK;
}

}  // namespace

void add_channels(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("channels", "List the channels that connections of the running daemon are in.");
    auto options = std::make_shared<ChannelsOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    command->add_option("--begins", options->begins, "Only those whose name begins so")->check(filled());
    command->add_option("--most", options->most, "How many, those with the most subscribers first")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    command->footer(
        "`wayleave sessions --channel NAME` lists who is in one of them.\n"
        "Exit status: 0, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = channels(*options); });
}

}  // namespace wayleave
