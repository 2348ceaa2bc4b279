#include "daemon/ops/control/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/base/json_writer.h"
#include "daemon/protocol/handshake.h"

namespace wayleave {

namespace {

OpsAnswer problem(int status, std::string_view detail, std::string extra_headers = {}) {
    return {status, "application/problem+json",
            fmt::format("{{\"type\":\"about:blank\",\"title\":{},\"status\":{},\"detail\":{}}}\n",
                        json_string(reason_phrase(status)), status, json_string(detail)),
            std::move(extra_headers)};
}

OpsAnswer refused(std::string_view detail, const std::string& diagnostics) {
    return {422, "application/problem+json",
            fmt::format(
                "{{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":{},"
                "\"diagnostics\":{}}}\n",
                json_string(detail), json_string(diagnostics))};
}

std::string list_json(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_string(text);
    return "[" + out + "]";
}

OpsAnswer reload(const ControlActions& actions) {
    const ReloadReport report = actions.reload();
    if (!report.done)
        return refused("the reload was refused, and the earlier configuration is in force", report.text);
    const Snapshot now = actions.snapshot();
    return {200, "application/json",
            fmt::format(
                "{{\"generation\":{},\"policy\":{},\"unchanged\":{},\"files\":{},\"routes\":{},\"tokens\":{},"
                "\"static_files\":{},\"changes\":{},\"restart_needed\":{},\"diagnostics\":{}}}\n",
                now.generation, json_string(now.policy_hash), report.same, now.policy_files,
                now.routes.size(), now.tokens, now.static_files, list_json(report.changes),
                list_json(report.restart), json_string(report.text))};
}

OpsAnswer dry_run(const ControlActions& actions) {
    const ForecastReport report = actions.forecast();
    if (!report.would_load) return refused("a reload would be refused", report.text);
    return {200, "application/json",
            fmt::format("{{{},\"restart_needed\":{},\"diagnostics\":{}}}\n", json_of(report.forecast),
                        list_json(report.restart), json_string(report.text))};
}

OpsAnswer explain(const ControlActions& actions, std::string_view body) {
    const auto question = live_question(body);
    if (!question) return problem(400, question.error());
    const auto answer = actions.explain(*question);
    if (!answer) return problem(404, answer.error());
    std::string json = json_of(*answer);
    json.resize(json.rfind('}'));
    return {200, "application/json", json + ",\"text\":" + json_string(text_of(*answer)) + "}\n"};
}

OpsAnswer sessions(const ControlActions& actions, std::string_view body) {
    const auto filter = session_filter(body);
    if (!filter) return problem(400, filter.error());
    return {200, "application/json", actions.sessions(*filter)};
}

std::string ban_json(const BanEntry& ban) {
    return fmt::format(R"({{"id":{},"who":{},"route":{},"place":{},"because":{},"left_ms":{},"times":{}}})",
                       json_string(ban.id), json_string(ban.who), json_string(ban.route),
                       json_string(ban.place), json_string(ban.because), ban.left_ms, ban.times);
}

OpsAnswer bans(const ControlActions& actions) {
    constexpr size_t most_listed = 10'000;
    const std::vector<BanEntry> list = actions.bans();
    std::string out;
    for (size_t i = 0; i < std::min(list.size(), most_listed); ++i)
        out += (out.empty() ? "" : ",") + ban_json(list[i]);
    return {200, "application/json", fmt::format("{{\"count\":{},\"bans\":[{}]}}\n", list.size(), out)};
}

OpsAnswer lift(const ControlActions& actions, std::string_view body) {
    const size_t lifted = actions.lift(std::string(body));
    if (lifted == 0) return problem(404, "no ban that is in force has this id, or is of them");
    return {200, "application/json", fmt::format("{{\"lifted\":{}}}\n", lifted)};
}

OpsAnswer desk_problem(const DeskError& error) {
    return problem(error.status, error.detail);
}

OpsAnswer publish(const ControlActions& actions, std::string_view body) {
    const auto done = actions.publish(body);
    return done ? OpsAnswer{200, "application/json", json_of(*done)} : desk_problem(done.error());
}

OpsAnswer progress(const ControlActions& actions, std::string_view body) {
    const auto known = actions.progress(body);
    return known ? OpsAnswer{200, "application/json", json_of(*known)} : desk_problem(known.error());
}

struct Endpoint {
    std::string_view method;
    std::string_view path;
    OpsAnswer (*answer)(const ControlActions& actions, std::string_view body);
};

constexpr std::array<Endpoint, 10> endpoints{{
    {"POST", "/reload", [](const ControlActions& a, std::string_view) { return reload(a); }},
    {"POST", "/reload/dry-run", [](const ControlActions& a, std::string_view) { return dry_run(a); }},
    {"POST", "/explain", explain},
    {"GET", "/status",
     [](const ControlActions& a, std::string_view) {
         return OpsAnswer{200, "application/json", status_json(a.snapshot())};
     }},
    {"GET", "/sessions",
     [](const ControlActions& a, std::string_view) {
         return OpsAnswer{200, "application/json", a.sessions({})};
     }},
    {"POST", "/sessions", sessions},
    {"GET", "/bans", [](const ControlActions& a, std::string_view) { return bans(a); }},
    {"POST", "/bans/lift", lift},
    {"POST", "/publish", publish},
    {"POST", "/progress", progress},
}};

}  // namespace

OpsAnswer answer_control(const OpsRequest& request, const ControlActions& actions) {
    const auto it = std::find_if(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
        return endpoint.path == request.path && endpoint.method == request.method;
    });
    if (it != endpoints.end()) return it->answer(actions, request.body);
    std::string allowed;
    for (const Endpoint& endpoint : endpoints) {
        if (endpoint.path == request.path)
            allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
    }
    if (allowed.empty())
        return problem(
            404, "Not Found",
            "there are POST /reload, /reload/dry-run, /explain, /sessions, /bans/lift, /publish and "
            "/progress, GET /status, /sessions and /bans");
    return problem(405, fmt::format("{} takes {}", request.path, allowed),
                   fmt::format("Allow: {}\r\n", allowed));
}

}  // namespace wayleave
