#include "daemon/ops/control/nodes.h"

#include "daemon/base/json_writer.h"

namespace wayleave {

std::string nodes_json(const NodeList& list) {
    JsonArray nodes;
    for (const NodeStatus& node : list.nodes) {
        const NodeReport& report = node.report;
        nodes.raw(JsonObject()
                      .add("id", node.id)
                      .add("name", report.name)
                      .add("self", node.self)
                      .add("version", report.version)
                      .add("policy", report.policy)
                      .add("generation", report.generation)
                      .add("connections", report.connections)
                      .add("max_connections", report.max_connections)
                      .add("subscriptions", report.subscriptions)
                      .add("draining", report.draining)
                      .add("ready", report.ready)
                      .add("started_ms", report.started_ms)
                      .add("said_ms_ago", node.said_ms_ago)
                      .add("lease_left_ms", node.lease_left_ms)
                      .text());
    }
    return JsonObject()
               .add("redis", list.because.empty() ? "up" : "away")
               .add("because", list.because)
               .add("age_ms", list.age_ms)
               .add("policy_skew_ms", list.skewed_ms)
               .add("buried", list.buried)
               .add("nodes", nodes)
               .text() +
           "\n";
}

}  // namespace wayleave
