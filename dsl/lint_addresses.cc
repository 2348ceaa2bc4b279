// Addresses that overlap, and old ones that nobody took away.
#include "dsl/compile_parts.h"
#include "dsl/lint_parts.h"
#include "dsl/router.h"
#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

struct Place {
    Span span;
    std::string_view route;
};

void check_overlaps(LintContext& context) {
    Router router;
    std::vector<Place> places;
    Diagnostics ignored;  // the compiler has told its errors
    for (const LintRoute& route : context.routes) {
        std::vector<CaptureName> captures;
        for (const ast::Url& url : route.ast->urls) {
            (void)router.add(compile_address(url, captures, ignored), 0);
            places.push_back({url.span, route.ast->name.text});
        }
    }
    for (const Router::Overlap& overlap : router.overlaps()) {
        const Place& wide = places[overlap.wide];
        const Place& narrow = places[overlap.narrow];
        if (wide.route == narrow.route) continue;
        const std::string more =
            overlap.count > 1 ? ", and " + std::to_string(overlap.count - 1) + " more are narrower" : "";
        context.diagnostics
            .note(
                "N502", wide.span,
                quoted(overlap.example) + " goes to the route " + quoted(narrow.route) + ", not to this one",
                "the narrower address wins" + more)
            .secondary.push_back({narrow.span, "narrower"});
    }
}

void check_alias(LintContext& context, const ast::Alias& alias) {
    if (!alias.until) {
        context.diagnostics.warning("W311", alias.span, "this alias has no end", {},
                                    "write `until` and a date, so that somebody takes it away");
        return;
    }
    const auto* day = std::get_if<int64_t>(&alias.until->value.held);
    if (!day || context.surroundings.today == 0 || *day >= context.surroundings.today) return;
    context.diagnostics.warning("W311", alias.until->span, "this day is past, and the alias still works", {},
                                "take it away, or give it a new date");
}

}  // namespace

void lint_addresses(LintContext& context) {
    check_overlaps(context);
    for (const LintRoute& route : context.routes) {
        route.each<ast::Alias>([&](const ast::Alias& alias) { check_alias(context, alias); });
    }
}

}  // namespace wayleave::dsl
