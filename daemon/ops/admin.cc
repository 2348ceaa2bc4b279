#include "daemon/ops/admin.h"

namespace wayleave {

namespace {

constexpr std::string_view text_type = "text/plain; charset=utf-8";

OpsAnswer text(int status, std::string body) {
    return {status, std::string(text_type), std::move(body)};
}

}  // namespace

OpsAnswer answer_admin(const OpsRequest& request, const Snapshot& snapshot) {
    const bool known = request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
    if (!known) return text(404, "there are /healthz, /readyz and /metrics\n");
    if (request.method != "GET") return {405, std::string(text_type), "only GET\n", "Allow: GET\r\n"};
    if (request.path == "/metrics") {
        return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(snapshot)};
    }
    if (!snapshot.healthy) return text(503, "a worker's loop does not turn\n");
    if (request.path == "/readyz" && snapshot.draining) return text(503, "stopping\n");
    if (request.path == "/readyz" && snapshot.broker.disk && snapshot.broker.disk->failing)
        return text(503, "messages cannot be stored\n");
    return text(200, "ok\n");
}

}  // namespace wayleave
