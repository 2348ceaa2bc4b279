#include "daemon/ops/server/node_watch.h"

#include <unistd.h>

#include <array>
#include <set>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/ops/log/log.h"

namespace wayleave {

void NodeWatch::look(Commons& commons, const Snapshot& snapshot) {
    NodeReport report;
    report.name = name_;
    report.version = snapshot.version;
    report.policy = snapshot.policy_hash;
    report.generation = snapshot.generation;
    report.connections = snapshot.totals.of<&Counters::connections>();
    report.subscriptions = snapshot.totals.of<&Counters::subscriptions>();
    report.max_connections = snapshot.max_connections;
    report.started_ms = snapshot.started_wall_ms;
    report.draining = snapshot.draining;
    report.ready = snapshot.healthy && snapshot.canary.ready && snapshot.broker_health.empty();
    commons.report(std::move(report));
    tell(commons.nodes());
}

void NodeWatch::tell(const NodeList& list) {
    if (list.buried != std::exchange(told_buried_, list.buried))
        log_event(
            Level::warn, "node-buried",
            "other nodes took this one for dead, since Redis had not heard of it; it is registered anew");
    const bool skewed = list.skewed_ms >= tolerated_skew_ms;
    if (skewed == std::exchange(told_skew_, skewed)) return;
    if (!skewed) return log_event(Level::info, "policy-skew-over", "all nodes have the same policy again");
    std::string who;
    for (const NodeStatus& node : list.nodes)
        who += (who.empty() ? "" : ", ") + escape_peer_text(node.report.name, 64) + " has " +
               escape_peer_text(node.report.policy, 16);
    log_event(Level::warn, "policy-skew",
              "the nodes have had different policies for 5 minutes; reload those that are behind",
              {{"nodes", who}});
}

std::string node_name(const std::string& wanted) {
    if (!wanted.empty()) return wanted;
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
    return name.data();
}

}  // namespace wayleave
