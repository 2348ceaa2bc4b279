// What the admin address and the control socket answer.
#include <simdjson.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include "daemon/ops/control/control.h"
#include "daemon/ops/server/admin.h"
#include "daemon/ops/server/http_server.h"
#include "daemon/ops/server/snapshot.h"

using namespace wayleave;

namespace {

Snapshot example() {
    Snapshot shot;
    shot.version = "1.2.3";
    shot.started_wall_ms = 1'700'000'000'000;
    shot.uptime_ms = 61'000;
    shot.listeners = {"http://127.0.0.1:8080"};
    shot.loop_turns = {7, 8};
    Counters counters;
    counters.connections.set(3);
    counters.messages_in.add(41);
    counters.refuse(Reason::limited);
    shot.totals.add(counters);
    shot.totals.add(counters);
    shot.max_connections = 100;
    shot.canary.failed = 1;
    shot.canary.last_us = 250'000;
    shot.canary.sum_us = 500'000;
    shot.canary.rounds = 3;
    shot.canary.within = {0, 2, 2, 2, 2, 3, 3, 3};
    shot.generation = 2;
    shot.routes = {"chat", "say \"hi\""};
    shot.aliases = {{"/new", "chat", "", ""}, {"/old", "chat", "tasks", "2027-12-31"}};
    shot.totals.aliases["/old"] = {7, 2};
    shot.totals.aliases["/gone"] = {1, 1};
    shot.reloads_done = 1;
    shot.broker.disk.emplace();
    shot.broker.link.emplace();
    shot.broker.link->replicas.emplace();
    shot.nodes.emplace();
    return shot;
}

std::string_view member(simdjson::dom::parser& parser, const std::string& json, const char* name) {
    std::string_view text;
    simdjson::dom::element document;
    REQUIRE(parser.parse(json).get(document) == simdjson::SUCCESS);
    REQUIRE(document[name].get(text) == simdjson::SUCCESS);
    return text;
}

ControlActions actions_with(const ReloadReport& reload) {
    ControlActions actions;
    actions.reload = [reload](const ThenReloaded& then) { then(reload); };
    actions.forecast = [](const ThenForecast& then) {
        ForecastReport report;
        report.would_load = true;
        report.forecast.changes = {
            {dsl::SectionChange::Kind::changed, "route chat", {{"deny connect", "a.route:1:2"}}, {}}};
        report.forecast.impact.connections = 3;
        report.forecast.impact.ending = 1;
        report.forecast.impact.losing = 2;
        report.forecast.impact.subscriptions_lost = 2;
        report.forecast.tests = {{"a \"test\"", false, "", "a.route:9:1: expected allow"}};
        then(report);
    };
    actions.snapshot = example;
    actions.sessions = [](const SessionFilter&, const Then<const std::string&>& then) {
        then("{\"sessions\":[]}\n");
    };
    actions.explain = [](const LiveQuestion& question, const Then<Result<Explanation>>& then) {
        if (question.session != 0xabc) return then(failure("there is no session"));
        Explanation out;
        out.action = "message";
        out.target = question.question.target;
        then(out);
    };
    return actions;
}

OpsAnswer answer_of(const OpsRequest& request, const ControlActions& actions) {
    std::optional<OpsAnswer> out;
    answer_control(request, actions, [&](const OpsAnswer& answer) { out = answer; });
    REQUIRE(out);
    return *out;
}

}  // namespace

TEST_CASE("metrics add the workers up", "[ops]") {
    const auto answer = answer_admin({"GET", "/metrics", ""}, example());
    CHECK(answer.status == 200);
    CHECK(answer.content_type == "text/plain; version=0.0.4; charset=utf-8");
    for (const char* line :
         {"wayleave_connections 6\n", "wayleave_messages_received_total 82\n",
          "wayleave_refusals_total{reason=\"limited\"} 2\n", "wayleave_loop_turns_total{worker=\"1\"} 8\n",
          "wayleave_max_connections 100\n", "wayleave_build_info{version=\"1.2.3\"} 1\n",
          "wayleave_policy_generation 2\n", "wayleave_canary_seconds_count 3\n",
          "wayleave_canary_seconds_bucket{le=\"0.005\"} 2\n", "wayleave_canary_seconds_sum 0.5\n",
          "wayleave_canary_last_seconds 0.25\n", "wayleave_canary_failures_total 1\n"}) {
        CHECK_THAT(answer.body, Catch::Contains(line));
    }
}

TEST_CASE("the manual has every metric with its sentence, and no other", "[ops]") {
    std::ifstream file(PROJECT_DIR "/man/wayleave.8");
    std::string page((std::istreambuf_iterator<char>(file)), {});
    std::replace(page.begin(), page.end(), '\n', ' ');
    std::istringstream metrics(answer_admin({"GET", "/metrics", ""}, example()).body);
    size_t told = 0;
    for (std::string line; std::getline(metrics, line);) {
        if (!line.starts_with("# HELP ")) continue;
        ++told;
        const size_t space = line.find(' ', 7);
        INFO(line);
        CHECK(page.find(".It Cm " + line.substr(7, space - 7) + " " + line.substr(space + 1)) !=
              std::string::npos);
    }
    size_t listed = 0;
    for (size_t at = page.find(".It Cm wayleave_"); at != std::string::npos;
         at = page.find(".It Cm wayleave_", at + 1))
        ++listed;
    CHECK(told == listed);
}

TEST_CASE("health and readiness", "[ops]") {
    Snapshot shot = example();
    CHECK(answer_admin({"GET", "/healthz", ""}, shot).status == 200);
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).status == 200);
    shot.canary.stuck = {"worker 1 has not heard a publication for 6 s", "the broker: the disk is full"};
    CHECK(answer_admin({"GET", "/healthz", ""}, shot).status == 200);
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).status == 503);
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).body ==
          "worker 1 has not heard a publication for 6 s\nthe broker: the disk is full\n");
    shot.broker.disk->failing = true;
    CHECK(answer_admin({"GET", "/healthz", ""}, shot).status == 200);
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).body ==
          "messages cannot be stored\nworker 1 has not heard a publication for 6 s\nthe broker: the disk is "
          "full\n");
    shot.broker.disk->failing = false;
    shot.draining = shot.stopping = true;
    CHECK(answer_admin({"GET", "/healthz", ""}, shot).status == 200);
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).body == "stopping\n");
    CHECK(answer_admin({"GET", "/readyz", ""}, shot).status == 503);
    shot.healthy = false;
    CHECK(answer_admin({"GET", "/healthz", ""}, shot).status == 503);
    CHECK(answer_admin({"POST", "/healthz", ""}, shot).status == 405);
    CHECK(answer_admin({"GET", "/reload", ""}, shot).status == 404);
}

TEST_CASE("status is JSON", "[ops]") {
    const ControlActions actions = actions_with({});
    const auto answer = answer_of({"GET", "/status", ""}, actions);
    CHECK(answer.status == 200);
    simdjson::dom::parser parser;
    simdjson::dom::element document;
    REQUIRE(parser.parse(answer.body).get(document) == simdjson::SUCCESS);
    CHECK(std::string_view(document["version"]) == "1.2.3");
    CHECK(std::string_view(document["started"]) == "2023-11-14T22:13:20Z");
    CHECK(uint64_t(document["connections"]) == 6);
    CHECK(std::string_view(document["policy"]["routes"].at(1)) == "say \"hi\"");
    CHECK(uint64_t(document["refusals"]["limited"]) == 2);
    CHECK(
        simdjson::to_string(document["aliases"].value()) ==
        R"([{"address":"/new","route":"chat","handshakes":0,"sessions":0},)"
        R"({"address":"/old","route":"chat","stream":"tasks","until":"2027-12-31","handshakes":7,"sessions":2}])");
}

TEST_CASE("a reload that was done", "[ops]") {
    const ControlActions actions = actions_with({true, "a warning\n", {"workers"}, false});
    const auto answer = answer_of({"POST", "/reload", ""}, actions);
    CHECK(answer.status == 200);
    simdjson::dom::parser parser;
    CHECK(member(parser, answer.body, "diagnostics") == "a warning\n");
    simdjson::dom::element document;
    REQUIRE(parser.parse(answer.body).get(document) == simdjson::SUCCESS);
    CHECK(std::string_view(document["restart_needed"].at(0)) == "workers");
}

TEST_CASE("a reload that was refused is a problem document", "[ops]") {
    const ControlActions actions = actions_with({false, "error[E001]: \"x\"\n   ^\n", {}, false});
    const auto answer = answer_of({"POST", "/reload", ""}, actions);
    CHECK(answer.status == 422);
    CHECK(answer.content_type == "application/problem+json");
    simdjson::dom::parser parser;
    CHECK(member(parser, answer.body, "diagnostics") == "error[E001]: \"x\"\n   ^\n");
}

TEST_CASE("a dry run tells what would change", "[ops]") {
    const auto answer = answer_of({"POST", "/reload/dry-run", ""}, actions_with({}));
    CHECK(answer.status == 200);
    simdjson::dom::parser parser;
    CHECK(member(parser, answer.body, "forecast") ==
          "~ route chat\n    - deny connect    # a.route:1:2\n"
          "3 connections: 0 untouched, 2 lose subscriptions, 1 is closed\n2 subscriptions would end\n"
          "test \"a \\\"test\\\"\" passed, and would fail: a.route:9:1: expected allow\n");
    simdjson::dom::element document;
    REQUIRE(parser.parse(answer.body).get(document) == simdjson::SUCCESS);
    CHECK(uint64_t(document["impact"]["ending"]) == 1);
    CHECK(bool(document["changed"]));
    ControlActions refusing = actions_with({});
    refusing.forecast = [](const ThenForecast& then) { then(ForecastReport{false, "error", {}, {}}); };
    CHECK(answer_of({"POST", "/reload/dry-run", ""}, refusing).status == 422);
}

TEST_CASE("a question about a session", "[ops]") {
    const ControlActions actions = actions_with({});
    const auto ask = [&](std::string_view body) { return answer_of({"POST", "/explain", body}, actions); };
    CHECK(ask(R"({"session":"0000000000000abc","action":"message","target":"say","json":"{}"})").status ==
          200);
    CHECK(ask(R"({"session":"0000000000000abd","action":"message","target":"say"})").status == 404);
    for (const char* bad :
         {"", "{", "[]", R"({"session":"abc","action":"message"})", R"({"session":"0000000000000abc"})",
          R"({"session":"0000000000000abc","action":"fly"})",
          R"({"session":"0000000000000abc","action":"disconnect"})", R"({"session":7,"action":"message"})"}) {
        INFO(bad);
        CHECK(ask(bad).status == 400);
    }
}

TEST_CASE("a reload that was not tried", "[ops]") {
    ControlActions actions = actions_with({});
    actions.reload = [](const ThenReloaded& then) { then(failure(DeskError{503, "too many"})); };
    actions.forecast = [](const ThenForecast& then) { then(failure(DeskError{503, "too many"})); };
    simdjson::dom::parser parser;
    for (const char* path : {"/reload", "/reload/dry-run"}) {
        const auto answer = answer_of({"POST", path, ""}, actions);
        CHECK(answer.status == 503);
        CHECK(member(parser, answer.body, "detail") == "too many");
    }
}

TEST_CASE("an action that answers later", "[ops]") {
    ControlActions actions = actions_with({});
    ThenReloaded tell;
    actions.reload = [&](ThenReloaded then) { tell = std::move(then); };
    std::optional<OpsAnswer> answer;
    {
        const ControlActions gone = actions;  // it is needed during the request alone
        answer_control({"POST", "/reload", ""}, gone, [&](const OpsAnswer& one) { answer = one; });
    }
    CHECK_FALSE(answer);
    tell(ReloadReport{true, "", {}, false});
    REQUIRE(answer);
    CHECK(answer->status == 200);
}

TEST_CASE("the control socket knows its requests", "[ops]") {
    const ControlActions actions = actions_with({});
    simdjson::dom::parser parser;
    const auto unknown = answer_of({"GET", "/", ""}, actions);
    CHECK(unknown.status == 404);
    CHECK_THAT(std::string(member(parser, unknown.body, "detail")),
               Catch::StartsWith("there are POST /reload, POST /reload/dry-run"));
    CHECK(unknown.extra_headers.empty());
    const auto wrong = answer_of({"GET", "/reload", ""}, actions);
    CHECK(wrong.status == 405);
    CHECK(wrong.extra_headers == "Allow: POST\r\n");
    CHECK(answer_of({"POST", "/status", ""}, actions).extra_headers == "Allow: GET\r\n");
}

TEST_CASE("the line for the service manager", "[ops]") {
    Snapshot shot = example();
    CHECK(status_line(shot) == "6 connections, policy generation 2");
    shot.last_reload_refused = true;
    shot.draining = shot.stopping = true;
    CHECK(status_line(shot) == "6 connections, policy generation 2, the last reload was refused, stopping");
}

TEST_CASE("the admin address is asked by an address of its own, or by a name that it was given") {
    struct Case {
        const char* host;
        const char* local;
        bool own;
    };
    const std::vector<std::string> names = {"metrics.example.com"};
    for (const Case& one : {
             Case{"127.0.0.1:9100", "127.0.0.1", true},
             {"localhost:9100", "127.0.0.1", true},
             {"LOCALHOST.", "127.0.0.1", true},
             {"[::1]:9100", "127.0.0.1", true},
             {"127.8.9.1", "10.0.0.5", true},
             {"10.0.0.5:9100", "10.0.0.5", true},
             {"[2001:db8:0::5]", "2001:db8::5", true},
             {"Metrics.Example.com:1", "10.0.0.5", true},
             {"10.0.0.6", "10.0.0.5", false},
             {"[2001:db8::6]", "2001:db8::5", false},
             {"evil.example", "127.0.0.1", false},
             {"localhost.evil.example", "127.0.0.1", false},
             {"127.0.0.1.evil.example", "127.0.0.1", false},
             {"xmetrics.example.com", "10.0.0.5", false},
         }) {
        INFO(one.host);
        const auto host = parse_authority(one.host);
        REQUIRE(host);
        CHECK(is_own_host(*host, *dsl::parse_address(one.local), names) == one.own);
    }
}
