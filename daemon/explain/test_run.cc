#include "daemon/explain/test_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

#include "daemon/explain/explained_decision.h"
#include "daemon/explain/simulate.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

using dsl::Action;
using dsl::TestStep;

Verdict wanted(TestStep::Verdict verdict) {
    return static_cast<Verdict>(verdict);
}

std::string asked(const TestStep& step) {
    return std::string(dsl::to_string(step.action)) + " " + dsl::quoted(step.target);
}

std::string outcome_text(const Explanation& e) {
    if (e.verdict == Verdict::allow) return "it is allowed by " + e.place;
    if (e.verdict == Verdict::ask)
        return e.because + ", " + e.place +
               "; say before it what it answers, like `backend NAME answers 200`";
    std::string out = e.verdict == Verdict::limit ? "it is limited" : "it is denied";
    if (!e.because.empty()) out += " because " + dsl::quoted(e.because);
    if (!e.reason.empty() && e.reason != "limited") out += " (" + e.reason + ")";
    return e.place.empty() ? out : out + ", " + e.place;
}

// "chat.route:12:5" as it is sorted: by file, then as numbers.
std::tuple<std::string_view, uint64_t, uint64_t> by_line(std::string_view place) {
    std::array<uint64_t, 2> numbers{};
    for (size_t i = 2; i-- > 0;) {
        const size_t colon = place.rfind(':');
        if (colon == std::string_view::npos) break;
        std::from_chars(place.data() + colon + 1, place.data() + place.size(), numbers[i]);
        place = place.substr(0, colon);
    }
    return {place, numbers[0], numbers[1]};
}

// As if the backend had sent it.
BackendRuling ruling_of(const dsl::TestAnswer& answer) {
    BackendAnswer sent;
    sent.kind = BackendAnswer::Kind::answered;
    sent.status = static_cast<int>(answer.status);
    if (!answer.members.empty()) sent.body = json_of(answer.members);
    sent.content_type = "application/json";
    return read_ruling(sent);
}

// One test: a client whose connection changes with each `expect allow connect`.
class Player {
  public:
    // A test that defines names in its own way asks a policy of its own.
    Player(const Runtime& runtime, const dsl::TestCase& test, Now now, std::map<std::string, bool>& decided,
           std::set<std::string, std::less<>>& routes)
        : runtime_(runtime), test_(test), now_(now), decided_(decided), routes_(routes), address_(test.at) {
        if (test.policy) runtime_.policy = test.policy;
    }

    TestResult play() {
        TestResult out{test_.title, test_.place, test_.steps.size(), {}};
        for (const TestStep& step : test_.steps) {
            if (auto wrong = check(step)) out.failures.push_back({step.place, std::move(*wrong)});
        }
        return out;
    }

  private:
    // Nothing if it is as expected. Of `limit … times N`, N-1 pass.
    std::optional<std::string> check(const TestStep& step) {
        LimitTable limits(1024);  // fresh counters for each expectation
        entered_ = 0;
        for (int64_t i = 1; i <= step.times; ++i) {
            const auto answer = ask(step, limits);
            if (!answer) return answer.error();
            const bool last = i == step.times;
            const Verdict want =
                step.verdict == TestStep::Verdict::limit && !last ? Verdict::allow : wanted(step.verdict);
            const std::string which = step.times > 1 ? fmt::format(" (number {} of {})", i, step.times) : "";
            if (answer->verdict != want)
                return fmt::format("expected {} {}{}, but {}", to_string(want), asked(step), which,
                                   outcome_text(*answer));
            if (last && step.because && answer->because != *step.because) {
                return fmt::format("expected {} {} because {}, but {}", to_string(want), asked(step),
                                   dsl::quoted(*step.because), outcome_text(*answer));
            }
        }
        return std::nullopt;
    }

    Result<Explanation> ask(const TestStep& step, LimitTable& limits) {
        if (step.action == Action::connect) return connect(step, limits);
        const bool api = !step.at.empty();
        const auto admission = api ? meet(step, step.at, AdmissionKind::api)
                                   : meet(step, client_address(step), AdmissionKind::route);
        if (!admission) return failure(admission.error());
        const auto* admitted = std::get_if<Admitted>(&*admission);
        if (!admitted) {
            const Explanation away =
                explain_admission(*runtime_.policy, *admission, "", limits, now_, false).explanation;
            return failure("expected " + std::string(to_string(wanted(step.verdict))) + " " + asked(step) +
                           ", but the client cannot even connect: " + outcome_text(away));
        }
        const dsl::Residual residual = dsl::fold(admitted->route->program, admitted->answers);
        ConnectionView view = opened(*runtime_.policy, *admitted, residual);
        view.subscriptions += entered_;  // each to another channel
        Question question{step.action, step.target, json_of(step.members)};
        for (const dsl::TestAnswer& answer : step.answers)
            question.rulings.emplace_back(answer.backend, ruling_of(answer));
        if (step.grant) bring(*step.grant, *admitted->route, question);
        const ExplainedDecision inquiry = explain(view, question, limits, now_, false);
        note(*admitted->route, inquiry.verdict);
        const size_t one = step.action == Action::subscribe ? 1 : 0;
        entered_ += static_cast<int64_t>(std::max(inquiry.entered, one));
        return inquiry.explanation;
    }

    void bring(const dsl::TestGrant& grant, const dsl::Route& route, Question& question) const {
        auto held =
            stated_grant(*runtime_.policy, route, grant.token, claims_of(*runtime_.policy, grant), now_);
        if (held) {
            question.grant = std::move(*held);
        } else {
            question.no_grant = held.error();
        }
    }

    Result<Explanation> connect(const TestStep& step, LimitTable& limits) {
        ClientSpec sketch = client_spec_of(*runtime_.policy, step.client);
        sketch.address = step.target;
        const auto admission = simulate(runtime_, sketch, AdmissionKind::route, limits, now_);
        if (!admission) return failure(admission.error());
        ExplainedDecision inquiry =
            explain_admission(*runtime_.policy, *admission, step.target, limits, now_, false);
        if (const auto* admitted = std::get_if<Admitted>(&*admission))
            note(*admitted->route, inquiry.verdict);
        if (const auto* turned = std::get_if<TurnedAway>(&*admission); turned && turned->route)
            note(*turned->route, inquiry.verdict);
        if (step.verdict == TestStep::Verdict::allow) address_ = step.target;
        return std::move(inquiry.explanation);
    }

    Result<Admission> meet(const TestStep& step, const Result<std::string>& address, AdmissionKind kind) {
        if (!address) return failure(address.error());
        LimitTable limits(1024);
        ClientSpec sketch = client_spec_of(*runtime_.policy, step.client);
        sketch.address = *address;
        return simulate(runtime_, sketch, kind, limits, now_);
    }

    // Of the nearest `expect allow connect`, else of the block's `at`, else of the only route.
    Result<std::string> client_address(const TestStep&) const {
        if (!address_.empty()) return address_;
        const auto& routes = runtime_.policy->routes;
        if (routes.size() == 1 && !routes.front()->addresses.empty()) {
            const std::string& address = routes.front()->addresses.front();
            if (address.find_first_of(":*") == std::string::npos) return address;
        }
        return failure(
            "it is not said where the client connects; write `at \"/address\"` in the test, or "
            "`expect allow connect \"/address\"` before this");
    }

    void note(const dsl::Route& route, dsl::NodeId verdict) {
        routes_.insert(route.name);
        const size_t rule = verdict & ~dsl::verdict_bit;
        if (rule >= 2) decided_[route.rules[rule - 2].place] = true;
    }

    Runtime runtime_;
    const dsl::TestCase& test_;
    Now now_;
    std::map<std::string, bool>& decided_;
    std::set<std::string, std::less<>>& routes_;
    std::string address_;
    int64_t entered_ = 0;  // channels, by what was done and allowed before
};

std::string xml(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            case '\n': out += "&#10;"; break;
            case '\t': out += "&#9;"; break;
            default:
                if (byte >= 0x20) out += c;  // XML 1.0 has no other control characters
        }
    }
    return out;
}

}  // namespace

size_t TestRun::failed() const {
    return static_cast<size_t>(std::count_if(
        results.begin(), results.end(), [](const TestResult& result) { return !result.failures.empty(); }));
}

size_t TestRun::uncovered() const {
    return static_cast<size_t>(
        std::count_if(rules.begin(), rules.end(), [](const RuleCoverage& rule) { return !rule.decided; }));
}

double TestRun::coverage() const {
    if (rules.empty()) return 100;
    return 100.0 * static_cast<double>(rules.size() - uncovered()) / static_cast<double>(rules.size());
}

int64_t questions(const std::vector<dsl::TestCase>& tests) {
    int64_t sum = 0;
    for (const dsl::TestCase& test : tests) {
        for (const TestStep& step : test.steps) sum += step.times;
    }
    return sum;
}

TestRun run_tests(const Runtime& runtime, const std::vector<dsl::TestCase>& tests, Now now) {
    std::map<std::string, bool> decided;
    for (const auto* list : {&runtime.policy->routes, &runtime.policy->apis}) {
        for (const auto& route : *list) {
            for (const dsl::RuleInfo& rule : route->rules) decided.emplace(rule.place, false);
        }
    }
    TestRun out;
    for (const dsl::TestCase& test : tests)
        out.results.push_back(Player(runtime, test, now, decided, out.routes).play());
    for (const auto& [place, hit] : decided) out.rules.push_back({place, hit});
    std::sort(out.rules.begin(), out.rules.end(), [](const RuleCoverage& a, const RuleCoverage& b) {
        return by_line(a.place) < by_line(b.place);
    });
    return out;
}

std::string junit_of(const TestRun& run) {
    std::string out = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
        "  <testsuite name=\"wayleave\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">\n",
        run.results.size(), run.failed());
    for (const TestResult& result : run.results) {
        const std::string file = result.place.substr(0, result.place.find(':'));
        out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" file=\"{}\"", xml(file),
                           xml(result.title), xml(file));
        if (result.failures.empty()) {
            out += "/>\n";
            continue;
        }
        out += ">\n";
        std::string text;
        for (const TestFailure& failure : result.failures) text += failure.place + ": " + failure.text + "\n";
        out += fmt::format("      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                           xml(result.failures.front().text), xml(text));
    }
    return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace wayleave
