#include "dsl/lint/lint.h"

#include <algorithm>
#include <array>

#include "dsl/compile/compile.h"
#include "dsl/lint/parts.h"
#include "dsl/lint/suppression.h"
#include "dsl/syntax/parse.h"
#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

using namespace std::string_view_literals;

// These need the settings.
constexpr std::array of_settings{"W207"sv, "W309"sv, "W312"sv};

template <class List>
bool holds(const List& list, std::string_view id) {
    return std::find(list.begin(), list.end(), id) != list.end();
}

void add_uses(const std::vector<ast::Member>& members,
              const std::map<std::string_view, const ast::Policy*>& policies, LintRoute& route) {
    for (const ast::Member& member : members) {
        const auto* use = std::get_if<ast::Use>(&member);
        for (const ast::Name& name : use ? use->names : std::vector<ast::Name>{}) {
            const auto it = policies.find(name.text);
            if (it == policies.end()) continue;
            const auto* part = &it->second->members;
            if (std::find(route.parts.begin(), route.parts.end(), part) == route.parts.end())
                route.parts.push_back(part);
        }
    }
}

}  // namespace

const ast::Setting* LintRoute::setting(std::string_view name) const {
    const ast::Setting* last = nullptr;
    each<ast::Setting>([&](const ast::Setting& setting) {
        if (setting.name.text == name) last = &setting;
    });
    return last;
}

std::deque<LintRoute> lint_routes(const ast::File& file, const Policy& policy) {
    std::map<std::string_view, const ast::Policy*> policies;
    std::vector<const ast::Defaults*> defaults;
    for (const ast::Item& item : file.items) {
        if (const auto* one = std::get_if<ast::Policy>(&item)) policies.emplace(one->name.text, one);
        if (const auto* one = std::get_if<ast::Defaults>(&item)) defaults.push_back(one);
    }
    std::deque<LintRoute> out;
    for (const ast::Item& item : file.items) {
        const auto* ast = std::get_if<ast::Route>(&item);
        if (!ast) continue;
        LintRoute route{ast, policy.route(ast->name.text), {}};
        if (!route.compiled) continue;
        for (const ast::Defaults* one : defaults) {
            route.parts.push_back(&one->members);
            add_uses(one->members, policies, route);
        }
        add_uses(ast->members, policies, route);
        route.parts.push_back(&ast->members);
        out.push_back(std::move(route));
    }
    return out;
}

bool concerns(const ast::Rule& rule, Action action) {
    return std::any_of(rule.actions.begin(), rule.actions.end(),
                       [&](const ast::ActionName& name) { return name.action == action; });
}

Span span_of_action(const ast::Rule& rule, Action action) {
    for (const ast::ActionName& name : rule.actions) {
        if (name.action == action) return name.span;
    }
    return rule.span;
}

std::string_view word_of(const ast::SettingValue& value) {
    const auto* expr = std::get_if<ast::Expr>(&value);
    if (!expr || expr->kind != ast::Expr::Kind::path || expr->path.parts.size() != 1) return {};
    return expr->path.parts.front().text;
}

const std::string* string_of(const ast::Expr& expr) {
    return expr.kind == ast::Expr::Kind::literal ? std::get_if<std::string>(&expr.literal.value.held)
                                                 : nullptr;
}

void lint(const ast::File& file, const Sources& sources, const Policy& policy,
          const LintSurroundings& surroundings, Diagnostics& diagnostics) {
    LintContext context{file, sources, policy, surroundings, diagnostics, {}, lint_routes(file, policy)};
    for (const ast::Item& item : file.items) {
        if (const auto* let = std::get_if<ast::Let>(&item)) context.lets.emplace(let->name.text, let);
    }
    lint_names(context);
    lint_values(context);
    lint_text(context);
    lint_limits(context);
    lint_door(context);
    lint_rules(context);
    lint_grants(context);
    lint_backends(context);
    lint_streams(context);
    lint_covering(context);
    lint_addresses(context);
    lint_tests(context);
    if (surroundings.style) lint_style(sources, diagnostics);
}

Linted compile_and_lint(const Sources& sources, const FileReader& files, const LintSurroundings& surroundings,
                        Diagnostics& diagnostics) {
    const ast::File file = parse(sources, diagnostics);
    auto statements = std::make_shared<const Statements>(file);
    if (diagnostics.errors() > 0) {  // the tree has holes: what lint says of it may be wrong
        (void)compile(file, sources, files, diagnostics);
        return {nullptr, std::move(statements)};
    }
    Suppressions suppressions(sources, *statements, diagnostics);
    diagnostics.suppress_by([&](std::string_view id, Span span) { return suppressions.reason(id, span); });
    auto policy = compile(file, sources, files, diagnostics);
    if (policy) {
        lint(file, sources, *policy, surroundings, diagnostics);
        suppressions.report_unused([&](std::string_view id) { return looked_for(id, surroundings); },
                                   diagnostics);
    }
    diagnostics.suppress_by(nullptr);
    return {std::move(policy), std::move(statements)};
}

bool looked_for(std::string_view id, const LintSurroundings& surroundings) {
    if (!find_check(id)) return false;
    if (id == "W401") return surroundings.coverage != nullptr;
    if (id == "N501") return surroundings.style;
    return surroundings.listeners.has_value() || !holds(of_settings, id);
}

}  // namespace wayleave::dsl
