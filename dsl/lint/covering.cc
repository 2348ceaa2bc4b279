// Tells what lint_exact.h is certain of, once for a rule: where it reaches several routes or message blocks,
// only what is so in all of them.
#include <algorithm>
#include <set>
#include <tuple>

#include "dsl/lint/exact/exact.h"
#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

class Covering {
  public:
    explicit Covering(LintContext& context) : context_(context) {
        for (const LintRoute& route : context.routes) look_at(route);
        for (const auto& [key, sum] : sums_) {
            if (sum.found == decisions_[key.first]) tell(key, sum);
        }
    }

  private:
    // A rule, the action that it is about, and the check.
    using Place = std::tuple<uint32_t, uint32_t, Action>;
    struct Sum {
        const ast::Rule* rule = nullptr;
        size_t found = 0;  // in so many decisions
        std::vector<Span> covers;
        bool value = false;
        std::string fact;
    };
    using Key = std::pair<Place, std::string>;  // the check and, for W108, the fact

    static Place place_of(const ast::Rule& rule, Action action) {
        return {rule.span.file, rule.span.begin, action};
    }

    void look_at(const LintRoute& route) {
        written_.clear();
        std::map<std::pair<uint32_t, uint32_t>, const ast::Rule*> by_place;
        const auto add = [&](const ast::Rule& rule) {
            by_place.emplace(std::pair(rule.span.file, rule.span.begin), &rule);
        };
        route.each<ast::Rule>(add);
        route.each<ast::Message>(
            [&](const ast::Message& message) { each_in<ast::Rule>(message.members, add); });
        for (const RuleInfo& rule : route.compiled->rules) {
            const auto it = by_place.find(std::pair(rule.span.file, rule.span.begin));
            if (it == by_place.end()) return;
            written_.push_back(it->second);
        }
        absent_ = absent_facts(context_.policy, *route.compiled);
        const Route& compiled = *route.compiled;
        decide(route, Action::connect, compiled.connect, route.ast->name.span);
        decide(route, Action::subscribe, compiled.subscribe, route.ast->name.span);
        decide(route, Action::publish, compiled.publish, route.ast->name.span);
        decide(route, Action::presence, compiled.presence, route.ast->name.span);
        decide(route, Action::history, compiled.history, route.ast->name.span);
        std::map<std::string, Span> messages;
        route.each<ast::Message>([&](const ast::Message& message) {
            messages.emplace(context_.sources.place(message.span), message.types.front().span);
        });
        for (const Message& message : compiled.messages) {
            const auto it = messages.find(message.place);
            decide(route, Action::message, message.decision,
                   it == messages.end() ? route.ast->name.span : it->second);
        }
    }

    void decide(const LintRoute& route, Action action, RootId root, Span where) {
        const auto& clauses = route.compiled->clauses[root];
        if (clauses.empty()) return;
        const DecisionFindings looked = look_exactly(*route.compiled, clauses, written_, absent_);
        if (looked.gave_up) {
            context_.diagnostics.note("N504", where,
                                      "the rules about " + quoted(to_string(action)) +
                                          " are too many, or their conditions too " +
                                          "large, to compare them all",
                                      "in the route " + quoted(route.ast->name.text),
                                      "whether rules cover each other is not known");
        }
        std::set<uint32_t> present;
        for (const Clause& clause : clauses) present.insert(clause.rule);
        for (const uint32_t rule : present) ++decisions_[place_of(*written_[rule], action)];
        std::set<Key> noted;  // an input may be absent in several ways
        for (const RuleFinding& finding : looked.findings) note(route, action, finding, noted);
    }

    // Whether a message or an api subscribes clients whom no `allow` lets subscribe.
    [[nodiscard]] bool is_ordered(const Route& route) const {
        return std::any_of(route.messages.begin(), route.messages.end(),
                           [](const Message& message) { return !message.subscribes.empty(); }) ||
               std::any_of(context_.policy.apis.begin(), context_.policy.apis.end(), [](const auto& api) {
                   const auto& clauses = api->clauses[api->subscribe];
                   return std::any_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
                       return clause.rule != Clause::no_rule && api->rules[clause.rule].allow;
                   });
               });
    }

    void note(const LintRoute& route, Action action, const RuleFinding& finding, std::set<Key>& noted) {
        // Such a deny is about what the server decides.
        if (finding.id == "W107" && action == Action::subscribe && is_ordered(*route.compiled)) return;
        const ast::Rule* rule = written_[finding.rule];
        // What a backend may allow does not replace what is allowed without it.
        const bool asked = std::any_of(finding.covers.begin(), finding.covers.end(),
                                       [&](uint32_t one) { return written_[one]->tail.by.has_value(); });
        if (asked && !rule->tail.by) return;
        const Place place = place_of(*rule, action);
        std::string check(finding.id);
        std::string fact;
        if (finding.id == "W108") {
            fact = route.compiled->shape->facts[finding.fact].name;
            check += " " + fact;
        }
        if (finding.id == "W103") check += finding.value ? " always" : " never";
        if (!noted.emplace(place, check).second) return;
        Sum& sum = sums_[{place, check}];
        sum.rule = rule;
        sum.value = finding.value;
        sum.fact = std::move(fact);
        ++sum.found;
        for (const uint32_t cover : finding.covers) {
            const Span span = written_[cover]->span;
            const bool known = std::any_of(sum.covers.begin(), sum.covers.end(), [&](Span other) {
                return other.file == span.file && other.begin == span.begin;
            });
            if (!known && sum.covers.size() < most_covers) sum.covers.push_back(span);
        }
    }

    void tell(const Key& key, const Sum& sum) {
        const std::string_view id = std::string_view(key.second).substr(0, 4);
        const ast::Rule& rule = *sum.rule;
        const Span span = rule.actions.size() > 1 ? span_of_action(rule, std::get<2>(key.first)) : rule.span;
        if (id == "W103") return constant(rule, sum.value);
        if (id == "W108") return absent(span, sum.fact);
        const Words words = words_for(id, rule.allow);
        auto& diagnostic = context_.diagnostics.warning(words.id, span, std::string(words.message),
                                                        std::string(words.label), std::string(words.help));
        for (const Span cover : sum.covers)
            diagnostic.secondary.push_back({cover, sum.covers.size() == 1 ? "this one" : "one of these"});
    }

    struct Words {
        std::string_view id;
        std::string_view message;
        std::string_view label;
        std::string_view help;
    };
    static Words words_for(std::string_view id, bool allow) {
        if (id == "W102")
            return {"W102", "this `allow` never grants anything", "wherever it holds, a `deny` holds, too",
                    "narrow the `deny`, or take the `allow` away"};
        if (id == "W104") return {"W104", "this rule stands twice", {}, "take one of them away"};
        if (id == "W107")
            return {"W107", "nothing allows what this `deny` is about", "it is refused anyway",
                    "take it away, or write the `allow` that is missing"};
        if (allow)
            return {"W105", "what this `allow` grants is granted anyway", "another `allow` covers it",
                    "take it away, or narrow the other one"};
        return {"W105", "this `deny` never decides", "wherever it holds, another one speaks before it",
                "take it away, or narrow the other one"};
    }

    void constant(const ast::Rule& rule, bool value) {
        context_.diagnostics.warning("W103", rule.tail.condition->span,
                                     value ? "this is always so" : "this is never so",
                                     value ? "whatever the client is or sends" : "so the rule does nothing",
                                     value ? "leave the condition out, or correct it"
                                           : "correct the condition, or take the rule away");
    }

    void absent(Span span, const std::string& fact) {
        context_.diagnostics.warning(
            "W108", span, "who brings no " + quoted(fact) + " is permitted more",
            "this `allow` can hold because of the value after its `else`",
            "choose an `else` for which it does not hold, or make " + quoted(fact) + " `required`");
    }

    static constexpr size_t most_covers = 3;

    LintContext& context_;
    WrittenRules written_;
    std::vector<AbsentFact> absent_;
    std::map<Place, size_t> decisions_;
    std::map<Key, Sum> sums_;
};

}  // namespace

void lint_covering(LintContext& context) {
    Covering{context};
}

}  // namespace wayleave::dsl
