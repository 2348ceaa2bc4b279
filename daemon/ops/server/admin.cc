#include "daemon/ops/server/admin.h"

namespace wayleave {

namespace {

constexpr std::string_view text_type = "text/plain; charset=utf-8";

OpsAnswer text(int status, std::string body) {
    return {status, std::string(text_type), std::move(body)};
}

std::string unhealthy(const Snapshot& snapshot) {
    return snapshot.healthy ? "" : "a worker's loop does not turn\n";
}

std::string unready(const Snapshot& snapshot) {
    if (snapshot.stopping) return "stopping\n";
    if (snapshot.draining) return "draining\n";
    std::string out = unhealthy(snapshot);
    if (snapshot.broker.disk && snapshot.broker.disk->failing) out += "messages cannot be stored\n";
    if (!snapshot.broker_health.empty()) out += snapshot.broker_health + "\n";
    for (const std::string& one : snapshot.canary.stuck) out += one + "\n";
    return out;
}

}  // namespace

OpsAnswer answer_admin(const OpsRequest& request, const Snapshot& snapshot) {
    const bool known = request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
    if (!known) return text(404, "there are /healthz, /readyz, /metrics and /console/\n");
    if (request.method != "GET")
        return {405, std::string(text_type), "only GET and HEAD\n", "Allow: GET, HEAD\r\n"};
    if (request.path == "/metrics") {
        return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(snapshot)};
    }
    const std::string troubles = request.path == "/readyz" ? unready(snapshot) : unhealthy(snapshot);
    return troubles.empty() ? text(200, "ok\n") : text(503, troubles);
}

}  // namespace wayleave
