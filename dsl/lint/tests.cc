// What nobody would notice: a rule that no test reaches, a line that is not in the one style.
#include <algorithm>

#include "dsl/format/format.h"
#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// Rules by their places: one of `defaults` is enough if it decided in one route.
class Untested {
  public:
    Untested(LintContext& context, const TestCoverage& coverage) : context_(context), coverage_(coverage) {}

    void look_at(const LintRoute& route) {
        if (!coverage_.routes.contains(route.compiled->name)) {
            context_.diagnostics.warning("W401", route.ast->name.span,
                                         "no test reaches the route " + quoted(route.ast->name.text), {},
                                         "write a `test` with an `expect … connect` at its address");
            return;
        }
        const auto look = [&](const ast::Rule& rule) {
            rules_.emplace(context_.sources.place(rule.span), &rule);
        };
        route.each<ast::Rule>(look);
        route.each<ast::Message>(
            [&](const ast::Message& message) { each_in<ast::Rule>(message.members, look); });
    }

    void tell() const {
        for (const auto& [place, rule] : rules_) {
            if (coverage_.rules.contains(place)) continue;
            context_.diagnostics.warning(
                "W401", rule->span, rule->allow ? "no test is allowed by this" : "no test is denied by this",
                {}, "write an `expect` that it decides, so that somebody notices when it does not");
        }
    }

  private:
    LintContext& context_;
    const TestCoverage& coverage_;
    std::map<std::string, const ast::Rule*> rules_;
};

// From the first character that differs to the end of its line.
Span first_difference(std::string_view text, std::string_view wanted, uint32_t file) {
    const auto [here, there] = std::mismatch(text.begin(), text.end(), wanted.begin(), wanted.end());
    const auto begin = static_cast<size_t>(here - text.begin());
    const size_t end = std::min(text.find('\n', begin), text.size());
    return {file, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)};
}

}  // namespace

void lint_tests(LintContext& context) {
    if (!context.surroundings.coverage || context.policy.tests.empty()) return;
    const TestCoverage coverage = context.surroundings.coverage(context.policy);
    Untested untested(context, coverage);
    for (const LintRoute& route : context.routes) untested.look_at(route);
    untested.tell();
}

void lint_style(const Sources& sources, Diagnostics& diagnostics) {
    for (uint32_t file = 0; file < sources.size(); ++file) {
        Diagnostics ignored;  // there are no mistakes, or they have been told
        const auto wanted = format(sources, file, ignored);
        const std::string& text = sources.file(file).text;
        if (!wanted || *wanted == text) continue;
        diagnostics.note("N501", first_difference(text, *wanted, file), "this file is not in the one style",
                         "`wayleave fmt` would change it here first",
                         "run `wayleave fmt " + sources.file(file).path + "`");
    }
}

}  // namespace wayleave::dsl
