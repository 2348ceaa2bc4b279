#include "daemon/broker/redis/node_report.h"

#include <simdjson.h>

#include <algorithm>

#include "daemon/base/json_text.h"
#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr size_t most_report_bytes = 8192;
constexpr size_t most_report_text = 512;
constexpr size_t id_digits = 12;
constexpr uint64_t known_version = 1;

std::string text_in(const simdjson::dom::object& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text) != simdjson::SUCCESS || text.size() > most_report_text) return {};
    return std::string(text);
}

uint64_t number_in(const simdjson::dom::object& object, std::string_view name) {
    uint64_t number = 0;
    return object[name].get(number) == simdjson::SUCCESS ? number : 0;
}

bool truth_in(const simdjson::dom::object& object, std::string_view name) {
    bool truth = false;
    return object[name].get(truth) == simdjson::SUCCESS && truth;
}

std::string cut(const std::string& text) {
    return text.size() <= most_report_text ? text : text.substr(0, most_report_text - 3) + "...";
}

}  // namespace

std::string write_node_report(const NodeReport& report) {
    return JsonObject()
        .add("v", known_version)
        .add("name", cut(report.name))
        .add("version", cut(report.version))
        .add("policy", cut(report.policy))
        .add("generation", report.generation)
        .add("connections", report.connections)
        .add("subscriptions", report.subscriptions)
        .add("max_connections", report.max_connections)
        .add("started", report.started_ms)
        .add("draining", report.draining)
        .add("ready", report.ready)
        .text();
}

// A version that is not known has members that may mean anything: of these none is read.
Result<NodeReport> read_node_report(std::string_view text) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object object;
    if (text.size() > most_report_bytes || parse_json(parser, text, root) != simdjson::SUCCESS ||
        root.get(object) != simdjson::SUCCESS)
        return failure("it is no JSON object of a node");
    if (number_in(object, "v") != known_version) return failure("it is of a version that is not known");
    NodeReport out;
    out.name = text_in(object, "name");
    out.version = text_in(object, "version");
    out.policy = text_in(object, "policy");
    out.generation = number_in(object, "generation");
    out.connections = number_in(object, "connections");
    out.subscriptions = number_in(object, "subscriptions");
    out.max_connections = number_in(object, "max_connections");
    out.started_ms = static_cast<int64_t>(std::min<uint64_t>(number_in(object, "started"), INT64_MAX));
    out.draining = truth_in(object, "draining");
    out.ready = truth_in(object, "ready");
    return out;
}

std::string node_text(uint64_t node) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (unsigned shift = 4 * id_digits; shift > 0;) {
        shift -= 4;
        out += digits[node >> shift & 15U];
    }
    return out;
}

bool is_node_text(std::string_view text) {
    return text.size() == id_digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace wayleave
