#include "daemon/ops/control/reload_preview.h"

#include <fmt/format.h>

#include <map>

#include "daemon/base/json_writer.h"
#include "daemon/explain/test_run.h"

namespace wayleave {
namespace {

std::string first_failure(const TestResult& result) {
    if (result.failures.empty()) return {};
    return result.failures.front().place + ": " + result.failures.front().text;
}

std::string counted(size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string impact_text(const ReloadPreview& forecast) {
    const ReloadImpact& impact = forecast.impact;
    if (!forecast.impact_known)
        return "connections: a worker did not answer in time, so nothing is known of them\n";
    std::string out =
        counted(impact.connections, "connection") + fmt::format(": {} untouched", impact.untouched);
    const auto add = [&](size_t count, const char* one, const char* many) {
        if (count > 0) out += fmt::format(", {} {}", count, count == 1 ? one : many);
    };
    add(impact.staying, "stays as it is", "stay as they are");
    add(impact.losing, "loses subscriptions", "lose subscriptions");
    add(impact.ending, "is closed", "are closed");
    add(impact.returning, "is closed and asked to come again", "are closed and asked to come again");
    out += "\n";
    if (impact.keys_gone > 0) {
        out += counted(impact.keys_gone, "connection") +
               " came with a token whose key is not trusted any more\n";
    }
    if (impact.subscriptions_lost > 0)
        out += counted(impact.subscriptions_lost, "subscription") + " would end\n";
    if (impact.channels_joined > 0) out += counted(impact.channels_joined, "channel") + " would be joined\n";
    return out;
}

}  // namespace

std::vector<TestChange> changed_tests(const Runtime& before, const Runtime& after, Now now) {
    std::map<std::string, std::string> was;
    for (const TestResult& result : run_tests(before, before.policy->tests, now).results)
        was[result.title] = first_failure(result);
    std::vector<TestChange> out;
    // A test that was taken out still says what somebody wanted once.
    std::map<std::string, const dsl::TestCase*> asked;
    for (const dsl::TestCase& test : before.policy->tests) asked[test.title] = &test;
    for (const dsl::TestCase& test : after.policy->tests) asked[test.title] = &test;
    for (const auto& [title, test] : asked) {
        const TestRun run = run_tests(after, {*test}, now);
        std::string is = first_failure(run.results.front());
        const auto known = was.find(title);
        if (known == was.end() && !is.empty()) out.push_back({title, true, {}, std::move(is)});
        if (known != was.end() && known->second.empty() != is.empty())
            out.push_back({title, false, known->second, std::move(is)});
    }
    return out;
}

std::string text_of(const ReloadPreview& forecast) {
    std::string out =
        forecast.changes.empty() ? "the policy means the same\n" : dsl::text_of(forecast.changes);
    for (const std::string& line : forecast.beside) out += line + "\n";
    out += impact_text(forecast);
    if (!forecast.tests_known) out += "tests: too many to run in the daemon; `wayleave test` runs them\n";
    for (const TestChange& test : forecast.tests) {
        const std::string_view change = test.after.empty() ? "failed, and would pass"
                                        : test.is_new      ? "is new, and would fail"
                                                           : "passed, and would fail";
        out += fmt::format("test {} {}{}\n", json_string(test.title), change,
                           test.after.empty() ? "" : ": " + test.after);
    }
    return out;
}

std::string json_of(const ReloadPreview& forecast) {
    const ReloadImpact& impact = forecast.impact;
    std::string out = fmt::format(R"("changed":{},"diff":{},)", !forecast.changes.empty(),
                                  json_string(dsl::text_of(forecast.changes)));
    if (forecast.impact_known) {
        out += fmt::format(
            R"("impact":{{"connections":{},"untouched":{},"staying":{},"losing":{},"ending":{},"returning":{},)"
            R"("subscriptions_lost":{},"channels_joined":{},"keys_gone":{}}},)",
            impact.connections, impact.untouched, impact.staying, impact.losing, impact.ending,
            impact.returning, impact.subscriptions_lost, impact.channels_joined, impact.keys_gone);
    } else {
        out += "\"impact\":null,";
    }
    std::string beside;
    for (const std::string& line : forecast.beside) beside += (beside.empty() ? "" : ",") + json_string(line);
    out += "\"changes\":[" + beside + "],";
    std::string tests;
    for (const TestChange& test : forecast.tests) {
        tests += fmt::format(R"({}{{"title":{},"new":{},"before":{},"after":{}}})", tests.empty() ? "" : ",",
                             json_string(test.title), test.is_new, json_string(test.before),
                             json_string(test.after));
    }
    tests = forecast.tests_known ? "[" + tests + "]" : "null";
    return out + "\"tests\":" + tests + ",\"forecast\":" + json_string(text_of(forecast));
}

}  // namespace wayleave
