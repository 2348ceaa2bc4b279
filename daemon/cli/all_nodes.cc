#include "daemon/cli/all_nodes.h"

#include <fmt/format.h>
#include <sysexits.h>

#include <string_view>

#include "daemon/base/escape.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {
namespace {

constexpr size_t most_shown = 512;

std::string node_title(const simdjson::dom::element& node) {
    const std::string name = shown_text(node, "name");
    const std::string id = shown_text(node, "id");
    bool self = false;
    if (node["self"].get(self) != simdjson::SUCCESS) self = false;
    const std::string called = name.empty() || id.empty() ? "this daemon" : fmt::format("{} ({})", name, id);
    return called + (self && called != "this daemon" ? ", asked here" : "");
}

// Who shares a Redis has an id there.
bool is_alone(const simdjson::dom::array& nodes) {
    return nodes.size() == 1 && text_of(nodes.at(0).value(), "id").empty();
}

// Why a node that should have answered has not; empty: it has.
std::string why_no_answer(const simdjson::dom::element& node) {
    simdjson::dom::element answer;
    if (node["answer"].get(answer) != simdjson::SUCCESS) return shown_text(node, "because");
    if (number_of(node, "status") == 200) return {};
    return shown_text(answer, "detail");
}

}  // namespace

std::string shown_text(const simdjson::dom::element& object, const char* name) {
    return escape_peer_text(text_of(object, name), most_shown);
}

int ask_all_nodes(const ControlAddress& address, const NodesQuestion& question,
                  const std::function<void(const simdjson::dom::element& answer)>& show) {
    const std::string path = std::string("/all") + question.path;
    const auto answer = ask_for_json(address, question.method, path.c_str(), question.body);
    if (!answer) return answer.error();
    simdjson::dom::array nodes;
    if ((*answer)->document["nodes"].get(nodes) != simdjson::SUCCESS) {
        complain("the daemon's answer names no nodes; are both of one version?");
        return EX_PROTOCOL;
    }
    const bool text = question.format == "text";
    const bool as_one = question.alone_as_one && is_alone(nodes);
    if (!text && !as_one) write_json((*answer)->raw);
    int code = EX_OK;
    for (const simdjson::dom::element node : nodes) {
        if (const std::string why = why_no_answer(node); !why.empty()) {
            complain(node_title(node) + ": " + why);
            code = EX_TEMPFAIL;
            continue;
        }
        if (text && !as_one) write_text(stdout, node_title(node) + ":\n");
        if (!text && as_one) write_json(simdjson::minify(node["answer"].value()) + "\n");
        show(node["answer"]);
    }
    return code;
}

void add_all(CLI::App& command, bool& all) {
    command.add_flag("--all", all, "Ask all nodes that share one Redis");
}

}  // namespace wayleave
