#include "daemon/ops/control.h"

#include <fmt/format.h>

#include "daemon/ops/json.h"

namespace wayleave {

namespace {

OpsAnswer problem(int status, std::string_view title, std::string_view detail,
                  std::string extra_headers = {}) {
    return {status, "application/problem+json",
            fmt::format("{{\"type\":\"about:blank\",\"title\":{},\"status\":{},\"detail\":{}}}\n",
                        json_string(title), status, json_string(detail)),
            std::move(extra_headers)};
}

OpsAnswer refused(const ReloadReport& report) {
    return {422, "application/problem+json",
            fmt::format(
                "{{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":{},"
                "\"diagnostics\":{}}}\n",
                json_string("the reload was refused, and the earlier configuration is in force"),
                json_string(report.text))};
}

OpsAnswer reload(const ControlActions& actions) {
    const ReloadReport report = actions.reload();
    if (!report.done) return refused(report);
    const Snapshot now = actions.snapshot();
    std::string restart;
    for (const std::string& name : report.restart)
        restart += (restart.empty() ? "" : ",") + json_string(name);
    return {200, "application/json",
            fmt::format("{{\"generation\":{},\"files\":{},\"routes\":{},\"tokens\":{},\"static_files\":{},"
                        "\"restart_needed\":[{}],\"diagnostics\":{}}}\n",
                        now.generation, now.policy_files, now.routes.size(), now.tokens, now.static_files,
                        restart, json_string(report.text))};
}

}  // namespace

OpsAnswer answer_control(const OpsRequest& request, const ControlActions& actions) {
    const bool is_reload = request.path == "/reload";
    if (!is_reload && request.path != "/status") {
        return problem(404, "Not Found", "there are POST /reload and GET /status");
    }
    const std::string_view method = is_reload ? "POST" : "GET";
    if (request.method != method) {
        return problem(405, "Method Not Allowed", fmt::format("{} takes {}", request.path, method),
                       fmt::format("Allow: {}\r\n", method));
    }
    if (is_reload) return reload(actions);
    return {200, "application/json", status_json(actions.snapshot())};
}

}  // namespace wayleave
