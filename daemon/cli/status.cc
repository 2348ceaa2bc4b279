#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/escape.h"
#include "daemon/cli/all_nodes.h"

namespace wayleave {

namespace {

struct StatusOptions {
    ControlAddress address;
    std::string format = "text";
    bool all = false;
};

std::string print_scalar(const simdjson::dom::element& value) {
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) return escape_peer_text(text, 4096);
    return simdjson::to_string(value);
}

std::string print_list(const simdjson::dom::array& list) {
    std::string out;
    for (const simdjson::dom::element element : list)
        out += (out.empty() ? "" : ", ") + print_scalar(element);
    return out;
}

// "address=/old route=chat"
std::string print_row(const simdjson::dom::object& members) {
    std::string out;
    for (const auto& [key, value] : members)
        out += (out.empty() ? "" : " ") + escape_peer_text(key, 128) + "=" + print_scalar(value);
    return out;
}

bool is_table(const simdjson::dom::array& list) {
    return list.size() > 0 && list.at(0).is_object();
}

// One line a value, and each row of a table; what is nested is named with a dot.
void print_object(const simdjson::dom::object& object, const std::string& prefix, std::string& out) {
    for (const auto& [key, value] : object) {
        const std::string name = prefix + escape_peer_text(key, 128);
        simdjson::dom::object inner;
        simdjson::dom::array list;
        if (value.get(inner) == simdjson::SUCCESS) {
            print_object(inner, name + ".", out);
        } else if (value.get(list) == simdjson::SUCCESS && is_table(list)) {
            for (const simdjson::dom::element each : list)
                out += fmt::format("{:<28} {}\n", name, print_row(each.get_object()));
        } else if (value.get(list) == simdjson::SUCCESS) {
            out += fmt::format("{:<28} {}\n", name, print_list(list));
        } else {
            out += fmt::format("{:<28} {}\n", name, print_scalar(value));
        }
    }
}

int status_of_all(const StatusOptions& options) {
    return ask_all_nodes(options.address, {"GET", "/status", {}, options.format},
                         [&](const simdjson::dom::element& answer) {
                             simdjson::dom::object object;
                             std::string out;
                             if (options.format != "text" || answer.get(object) != simdjson::SUCCESS) return;
                             print_object(object, "  ", out);
                             write_text(stdout, out);
                         });
}

int status(const StatusOptions& options) {
    const auto answer = ask_daemon(options.address, "GET", "/status");
    if (!answer) return answer.error();
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (answer->status != 200 || parser.parse(answer->body).get(object) != simdjson::SUCCESS) {
        complain(fmt::format("the daemon gave an answer that is no status (status {})", answer->status));
        return EX_PROTOCOL;
    }
    std::string out = answer->body;
    if (options.format == "text") {
        out.clear();
        print_object(object, "", out);
    }
    write_text(stdout, out);
    return EX_OK;
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("status", "Ask the running daemon how it is.");
    auto options = std::make_shared<StatusOptions>();
    add_control_options(*command, options->address);
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    add_all(*command, options->all);
    command->footer("Exit status: 0, 69 no daemon answers, 75 a node has not answered.");
    command->callback(
        [options, &exit_code] { exit_code = options->all ? status_of_all(*options) : status(*options); });
}

}  // namespace wayleave
