#include "daemon/ops/control/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/base/json_writer.h"
#include "daemon/ops/control/members.h"
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

std::string json_of(const ListenerChanges& listeners) {
    return fmt::format(R"({{"added":{},"removed":{},"changed":{}}})", list_json(listeners.added),
                       list_json(listeners.removed), list_json(listeners.changed));
}

OpsAnswer json(std::string body) {
    return {200, "application/json", std::move(body)};
}

OpsAnswer desk_problem(const DeskError& error) {
    return problem(error.status, error.detail);
}

OpsAnswer reloaded(const ReloadReport& report, const Snapshot& now) {
    if (!report.done)
        return refused("the reload was refused, and the earlier configuration is in force", report.text);
    return json(fmt::format(
        "{{\"generation\":{},\"policy\":{},\"unchanged\":{},\"files\":{},\"routes\":{},\"tokens\":{},"
        "\"static_files\":{},\"changes\":{},\"listeners\":{},\"restart_needed\":{},\"diagnostics\":{}}}\n",
        now.generation, json_string(now.policy_hash), report.same, now.policy_files, now.routes.size(),
        now.tokens, now.static_files, list_json(report.changes), json_of(report.listeners),
        list_json(report.restart), json_string(report.text)));
}

OpsAnswer foretold(const ForecastReport& report) {
    if (!report.would_load) return refused("a reload would be refused", report.text);
    return json(fmt::format("{{{},\"listeners\":{},\"restart_needed\":{},\"diagnostics\":{}}}\n",
                            json_of(report.forecast), json_of(report.listeners), list_json(report.restart),
                            json_string(report.text)));
}

void reload(const ControlActions& actions, std::string_view, const Responder& respond) {
    actions.reload([snapshot = actions.snapshot, respond](const Result<ReloadReport, DeskError>& report) {
        respond(report ? reloaded(*report, snapshot()) : desk_problem(report.error()));
    });
}

void dry_run(const ControlActions& actions, std::string_view, const Responder& respond) {
    actions.forecast([respond](const Result<ForecastReport, DeskError>& report) {
        respond(report ? foretold(*report) : desk_problem(report.error()));
    });
}

OpsAnswer explained(const Result<Explanation>& answer) {
    if (!answer) return problem(404, answer.error());
    std::string text = json_of(*answer);
    text.resize(text.rfind('}'));
    return json(text + ",\"text\":" + json_string(text_of(*answer)) + "}\n");
}

void explain(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const auto question = live_question(body);
    if (!question) return respond(problem(400, question.error()));
    actions.explain(*question, [respond](const Result<Explanation>& answer) { respond(explained(answer)); });
}

void sessions(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const auto filter = session_filter(body);
    if (!filter) return respond(problem(400, filter.error()));
    actions.sessions(*filter, [respond](const std::string& list) { respond(json(list)); });
}

void all_sessions(const ControlActions& actions, std::string_view, const Responder& respond) {
    actions.sessions({}, [respond](const std::string& list) { respond(json(list)); });
}

void status(const ControlActions& actions, std::string_view, const Responder& respond) {
    respond(json(status_json(actions.snapshot())));
}

std::string ban_json(const BanEntry& ban) {
    return fmt::format(R"({{"id":{},"who":{},"route":{},"place":{},"because":{},"left_ms":{},"times":{}}})",
                       json_string(ban.id), json_string(ban.who), json_string(ban.route),
                       json_string(ban.place), json_string(ban.because), ban.left_ms, ban.times);
}

void bans(const ControlActions& actions, std::string_view, const Responder& respond) {
    constexpr size_t most_listed = 10'000;
    const std::vector<BanEntry> list = actions.bans();
    std::string out;
    for (size_t i = 0; i < std::min(list.size(), most_listed); ++i)
        out += (out.empty() ? "" : ",") + ban_json(list[i]);
    respond(json(fmt::format("{{\"count\":{},\"bans\":[{}]}}\n", list.size(), out)));
}

void lift(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const size_t lifted = actions.lift(std::string(body));
    if (lifted == 0) return respond(problem(404, "no ban that is in force has this id, or is of them"));
    respond(json(fmt::format("{{\"lifted\":{}}}\n", lifted)));
}

void publish(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.publish(body, [respond](const Result<PublishedAll, DeskError>& done) {
        if (!done) return respond(desk_problem(done.error()));
        OpsAnswer answer = json(json_of(*done));
        if (!done->whole()) answer.status = 503;
        respond(std::move(answer));
    });
}

void progress(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.progress(body, [respond](const Result<Progress, DeskError>& known) {
        respond(known ? json(json_of(*known)) : desk_problem(known.error()));
    });
}

void channels(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const auto question = channel_question(body);
    if (!question) return respond(problem(400, question.error()));
    actions.channels(*question, [respond](const std::string& list) { respond(json(list)); });
}

void kick(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const auto order = kick_from(body);
    if (!order) return respond(problem(400, order.error()));
    actions.kick(*order, [respond](const Kicked& kicked) {
        respond(json(fmt::format("{{\"sessions\":{},\"all\":{}}}\n", kicked.sessions, kicked.all)));
    });
}

void why(const ControlActions& actions, std::string_view body, const Responder& respond) {
    const auto question = why_question(body);
    respond(question ? json(actions.why(*question)) : problem(400, question.error()));
}

void drain(const ControlActions& actions, std::string_view body, const Responder& respond) {
    constexpr uint64_t longest_ms = 24 * 3600 * 1000;
    const auto members =
        Members::read(body, {{"over_ms", Members::Kind::number}, {"undo", Members::Kind::flag}});
    if (!members) return respond(problem(400, members.error()));
    const uint64_t over_ms = members->number("over_ms").value_or(0);
    const bool undo = members->flag("undo");
    if (over_ms > longest_ms) return respond(problem(400, "`over_ms` is at most a day"));
    if (undo && over_ms > 0) return respond(problem(400, "either `over_ms` or `undo`"));
    if (actions.snapshot().stopping) return respond(problem(503, "the daemon is stopping"));
    actions.drain({static_cast<int64_t>(over_ms), undo});
    respond(json(fmt::format("{{\"draining\":{},\"sockets\":{}}}\n", !undo,
                             actions.snapshot().totals.of<&Counters::sockets>())));
}

void reopen(const ControlActions& actions, std::string_view, const Responder& respond) {
    const auto done = actions.reopen();
    respond(done ? json("{}\n") : problem(409, done.error()));
}

void reloads(const ControlActions& actions, std::string_view, const Responder& respond) {
    respond(json(actions.reloads()));
}

Tracing::ThenJson traced(const Responder& respond) {
    return [respond](const Result<std::string, Tracing::Refusal>& done) {
        respond(done ? json(*done) : problem(done.error().status, done.error().detail));
    };
}

void trace(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.tracing->begin(body, traced(respond));
}

void trace_more(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.tracing->more(body, traced(respond));
}

void trace_stop(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.tracing->end(body, traced(respond));
}

void log_state(const ControlActions& actions, std::string_view, const Responder& respond) {
    respond(json(actions.tracing->log_json()));
}

void set_log(const ControlActions& actions, std::string_view body, const Responder& respond) {
    actions.tracing->set_log(body, traced(respond));
}

void reset_log(const ControlActions& actions, std::string_view, const Responder& respond) {
    actions.tracing->reset_log(traced(respond));
}

void take_over(const ControlActions& actions, std::string_view, const Responder& respond) {
    const auto answer = actions.take_over();
    respond(answer ? *answer : desk_problem(answer.error()));
}

void nodes(const ControlActions& actions, std::string_view, const Responder& respond) {
    const auto list = actions.nodes();
    respond(list ? json(nodes_json(*list)) : problem(409, "this daemon shares nothing with others"));
}

struct Endpoint {
    std::string_view method;
    std::string_view path;
    void (*answer)(const ControlActions& actions, std::string_view body, const Responder& respond);
};

constexpr std::array<Endpoint, 24> endpoints{{
    {"POST", "/reload", reload},
    {"POST", "/reload/dry-run", dry_run},
    {"POST", "/explain", explain},
    {"GET", "/status", status},
    {"GET", "/sessions", all_sessions},
    {"POST", "/sessions", sessions},
    {"GET", "/bans", bans},
    {"POST", "/bans/lift", lift},
    {"POST", "/publish", publish},
    {"POST", "/progress", progress},
    {"POST", "/channels", channels},
    {"POST", "/kick", kick},
    {"POST", "/why", why},
    {"POST", "/drain", drain},
    {"POST", "/reopen", reopen},
    {"GET", "/reloads", reloads},
    {"POST", "/trace", trace},
    {"POST", "/trace/more", trace_more},
    {"POST", "/trace/stop", trace_stop},
    {"GET", "/log", log_state},
    {"POST", "/log", set_log},
    {"POST", "/log/reset", reset_log},
    {"POST", "/take-over", take_over},
    {"GET", "/nodes", nodes},
}};

// "GET /status, POST /reload"
std::string listed_endpoints() {
    std::string out;
    for (const Endpoint& endpoint : endpoints)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", endpoint.method, endpoint.path);
    return out;
}

}  // namespace

std::vector<std::string> ListenerChanges::lines() const {
    std::vector<std::string> out;
    for (const std::string& shown : added) out.push_back("listener " + shown + ": added");
    for (const std::string& shown : removed) out.push_back("listener " + shown + ": removed");
    for (const std::string& shown : changed) out.push_back("listener " + shown + ": changed");
    return out;
}

void answer_control(const OpsRequest& request, const ControlActions& actions, const Responder& respond) {
    const auto it = std::find_if(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
        return endpoint.path == request.path && endpoint.method == request.method;
    });
    if (it != endpoints.end()) return it->answer(actions, request.body, respond);
    std::string allowed;
    for (const Endpoint& endpoint : endpoints) {
        if (endpoint.path == request.path)
            allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
    }
    if (allowed.empty()) return respond(problem(404, "there are " + listed_endpoints()));
    respond(problem(405, fmt::format("{} takes {}", request.path, allowed),
                    fmt::format("Allow: {}\r\n", allowed)));
}

}  // namespace wayleave
