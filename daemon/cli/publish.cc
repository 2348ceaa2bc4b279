#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <cstdio>
#include <memory>
#include <string>

#include "daemon/base/json_text.h"
#include "daemon/base/json_writer.h"
#include "daemon/cli/control_options.h"

namespace wayleave {

namespace {

struct DeskOptions {
    ControlAddress address;
    std::string channel;
    std::string data;
    std::string dedup;
    std::string key;
    std::string user;
};

std::string standard_input() {
    std::string out;
    char buffer[65536];
    for (size_t size = 0; (size = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) out.append(buffer, size);
    return out;
}

// What the daemon says is printed as it is: JSON on success, a sentence else.
int ask(const DeskOptions& options, const char* path, const std::string& body) {
    const auto answer = ask_daemon(options.address, "POST", path, body);
    if (!answer) return answer.error();
    if (answer->status == 200) {
        write_text(stdout, answer->body);
        return EX_OK;
    }
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    std::string_view detail;
    if (parser.parse(answer->body).get(document) != simdjson::SUCCESS ||
        document["detail"].get(detail) != simdjson::SUCCESS)
        complain(strange_answer(*answer));
    else
        complain(fmt::format("the daemon says: {}", detail));
    return answer->status == 503 ? EX_TEMPFAIL : EX_DATAERR;
}

}  // namespace

void add_publish(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("publish", "Publish a message to a channel, as the server.");
    auto options = std::make_shared<DeskOptions>();
    command->add_option("CHANNEL", options->channel, "Name of the channel")->required();
    command->add_option("DATA", options->data, "A JSON object, or - for standard input")->required();
    command->add_option("--dedup", options->dedup, "Id by which a repetition is known");
    command->add_option("--key", options->key, "What it is about, for channels that conflate");
    add_control_options(*command, options->address);
    command->footer(
        "Prints where it stands. Exit status: 0, 65 it is refused, 69 no daemon answers, "
        "75 it could not be stored.");
    command->callback([options, &exit_code] {
        if (options->data == "-") options->data = standard_input();
        simdjson::dom::parser parser;
        simdjson::dom::element data;
        if (parse_json(parser, options->data, data) != simdjson::SUCCESS || !data.is_object()) {
            complain("DATA is no JSON object");
            exit_code = EX_DATAERR;
            return;
        }
        JsonObject body;
        body.add("channel", options->channel).add_if_any("dedup", options->dedup);
        body.add_if_any("key", options->key).raw("data", options->data);
        exit_code = ask(*options, "/publish", body.text());
    });
}

void add_progress(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("progress", "Tell how far a user has come in a channel with acks.");
    auto options = std::make_shared<DeskOptions>();
    command->add_option("CHANNEL", options->channel, "Name of the channel")->required();
    command->add_option("USER", options->user, "Name of the user")->required();
    add_control_options(*command, options->address);
    command->footer(
        "Prints the newest offset, and up to which all is delivered and acknowledged. Exit status: 0, "
        "65 it is refused, 69 no daemon answers, 75 the storage does not answer.");
    command->callback([options, &exit_code] {
        JsonObject body;
        body.add("channel", options->channel).add_if_any("user", options->user);
        exit_code = ask(*options, "/progress", body.text());
    });
}

}  // namespace wayleave
