// `by NAME "/path"`: subscriptions that a backend of the user's allows, or does not.
#include "dsl/compile/route.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {

void RouteCompiler::check_by(const ast::Rule& rule, const BodyPart& part) {
    if (!rule.tail.by) return;
    const Span span = rule.tail.by->span;
    if (route_->api) {
        if (part.from != BodyPart::From::own) return;
        return void(diagnostics_.error("E004", span, "`by` has no meaning in an `api`",
                                       "who asks here is the application itself"));
    }
    for (const ast::ActionName& action : rule.actions) {
        if (action.action == Action::subscribe) continue;
        return void(diagnostics_.error("E004", span,
                                       "`by` has no meaning for " + std::string(to_string(action.action)),
                                       "a backend is asked about subscriptions alone",
                                       action.action == Action::publish || action.action == Action::message
                                           ? "write a `message` block, and `forward to` the backend in it"
                                           : "write a rule for subscribe of its own"));
    }
    if (!rule.allow) {
        return void(diagnostics_.error("E004", span, "`by` says whose yes is needed, and this rule denies",
                                       "a deny is the policy's own word: no backend is asked about it",
                                       "write `allow`: what the backend does not allow is denied"));
    }
    if (rule.tail.with) {
        return void(diagnostics_.error("E004", span, "a rule says `with` or `by`, not both",
                                       "a grant is the application's word already",
                                       "write two rules: one of them is enough"));
    }
}

// Once for each pattern of the rule, since each has captures of its own.
void RouteCompiler::note_asked(const ast::Rule& rule, const Names& names, const Context& context) {
    if (!rule.tail.by || !rule.allow || route_->api || !context.channel || context.message) return;
    const ast::By& by = *rule.tail.by;
    auto to = path_to(by.backend, by.path, names, context);
    if (!to) return;
    const auto [known, fresh] =
        asked_.try_emplace(&rule, AskedBackend{policy_.backends[to->backend].name, std::move(*to)});
    if (fresh) return;
    const auto& first = known->second.to.pieces;
    const bool same = std::equal(
        first.begin(), first.end(), to->pieces.begin(), to->pieces.end(),
        [](const PathPiece& a, const PathPiece& b) { return a.text == b.text && a.insert == b.insert; });
    if (!same)
        diagnostics_.error("E004", by.path.span,
                           "what is inserted here is not the same part of all channels of this rule", {},
                           "write a rule for each of them");
}

}  // namespace wayleave::dsl
