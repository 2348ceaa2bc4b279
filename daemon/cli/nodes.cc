#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>

#include <memory>
#include <string>

#include "daemon/base/escape.h"
#include "daemon/cli/control_options.h"

namespace wayleave {

namespace {

struct NodesOptions {
    ControlAddress address;
    std::string format = "text";
};

int64_t number_of(const simdjson::dom::element& node, const char* name) {
    int64_t out = 0;
    return node[name].get(out) == simdjson::SUCCESS ? out : 0;
}

bool truth_of(const simdjson::dom::element& node, const char* name) {
    bool out = false;
    return node[name].get(out) == simdjson::SUCCESS && out;
}

// What others have written is shown as it is only where it cannot move a terminal.
std::string shown(const simdjson::dom::element& node, const char* name) {
    return escape_peer_text(text_of(node, name), 128);
}

std::string node_line(const simdjson::dom::element& node) {
    const char* state = truth_of(node, "draining") ? "draining"
                        : truth_of(node, "ready")  ? "ready"
                                                   : "not ready";
    return fmt::format(
        "{} {}  {}  version {}, policy {} ({}.), {} of {} connections, {} subscriptions, {}, "
        "heard of {:.1f} s ago, lease {:.1f} s\n",
        truth_of(node, "self") ? "*" : " ", shown(node, "id"), shown(node, "name"), shown(node, "version"),
        shown(node, "policy").substr(0, 12), number_of(node, "generation"), number_of(node, "connections"),
        number_of(node, "max_connections"), number_of(node, "subscriptions"), state,
        static_cast<double>(number_of(node, "said_ms_ago")) / 1000.0,
        static_cast<double>(number_of(node, "lease_left_ms")) / 1000.0);
}

int nodes(const NodesOptions& options) {
    const auto answer = ask_daemon(options.address, "GET", "/nodes");
    if (!answer) return answer.error();
    if (answer->status == 409) {
        complain("this daemon shares nothing with others; see wayleave(8), MANY MACHINES");
        return EX_DATAERR;
    }
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    simdjson::dom::array list;
    if (answer->status != 200 || parser.parse(answer->body).get(document) != simdjson::SUCCESS ||
        document["nodes"].get(list) != simdjson::SUCCESS) {
        complain(strange_answer(*answer));
        return EX_PROTOCOL;
    }
    if (options.format == "json") {
        write_json(answer->body);
        return EX_OK;
    }
    for (const simdjson::dom::element node : list) write_text(stdout, node_line(node));
    if (text_of(document, "redis") != "up")
        complain(fmt::format("this list is {:.0f} s old: {}",
                             static_cast<double>(number_of(document, "age_ms")) / 1000.0,
                             escape_peer_text(text_of(document, "because"), 512)));
    if (number_of(document, "policy_skew_ms") > 0) complain("the nodes have different policies");
    return EX_OK;
}

}  // namespace

void add_nodes(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("nodes", "List the daemons that share one Redis.");
    auto options = std::make_shared<NodesOptions>();
    add_control_options(*command, options->address);
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->footer("Exit status: 0, 65 the daemon is alone, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = nodes(*options); });
}

}  // namespace wayleave
