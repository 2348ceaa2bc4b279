// What the checks of lint share. Private to dsl/lint*.cc.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/lint/lint.h"
#include "dsl/policy/policy.h"
#include "dsl/syntax/ast.h"
#include "dsl/text/diagnostic.h"

namespace wayleave::dsl {

// A route with all that reaches it: `defaults`, what it uses, its own body, in this order.
struct LintRoute {
    const ast::Route* ast = nullptr;
    const Route* compiled = nullptr;
    std::vector<const std::vector<ast::Member>*> parts;

    [[nodiscard]] const ast::Setting* setting(std::string_view name) const;  // the one that decides
    template <class T>
    void each(const auto& visit) const {
        for (const auto* members : parts) {
            for (const ast::Member& member : *members) {
                if (const auto* found = std::get_if<T>(&member)) visit(*found);
            }
        }
    }
    template <class T>
    [[nodiscard]] bool any(const auto& holds) const {
        bool found = false;
        each<T>([&](const T& one) { found = found || holds(one); });
        return found;
    }
    template <class T>
    [[nodiscard]] bool has() const {
        return any<T>([](const T&) { return true; });
    }
};

struct LintContext {
    const ast::File& file;
    const Sources& sources;
    const Policy& policy;
    const LintSurroundings& surroundings;
    Diagnostics& diagnostics;
    std::map<std::string_view, const ast::Let*> lets;  // file-wide
    std::deque<LintRoute> routes;
};

[[nodiscard]] std::deque<LintRoute> lint_routes(const ast::File& file, const Policy& policy);

template <class T>
void each_in(const std::vector<ast::MessageMember>& members, const auto& visit) {
    for (const ast::MessageMember& member : members) {
        if (const auto* found = std::get_if<T>(&member)) visit(*found);
    }
}

[[nodiscard]] bool concerns(const ast::Rule& rule, Action action);
[[nodiscard]] Span span_of_action(const ast::Rule& rule, Action action);
// The one word of an expression such as `none`, or nothing.
[[nodiscard]] std::string_view word_of(const ast::SettingValue& value);
[[nodiscard]] const std::string* string_of(const ast::Expr& expr);  // of a literal

// Goes through everything that is written in a policy. Definitions are found as the compiler finds them.
class Walker {
  public:
    virtual ~Walker() = default;
    void walk(const ast::File& file);

  protected:
    virtual void on_expr(const ast::Expr&) {}                 // each, also inside others
    virtual void on_text(const std::string&, Span) {}         // each string, also literals
    virtual void on_name(std::string_view, Span) {}           // the first word of each path that is read
    virtual void on_let(const ast::Let&) {}                   // before its value
    virtual void on_part(const std::vector<ast::Member>*) {}  // before a body, and null behind it

    [[nodiscard]] const ast::Let* find_let(std::string_view name) const;
    // A literal or set, also behind a name.
    [[nodiscard]] const ast::Expr* resolved(const ast::Expr& expr) const;

  private:
    using Scope = std::map<std::string_view, const ast::Let*>;

    void item(const ast::Item& item);
    void members(const std::vector<ast::Member>& members);
    void member(const ast::Member& member);
    void message(const ast::Message& message);
    void settings(const std::vector<ast::Setting>& settings);
    void value(const ast::SettingValue& value);
    void expr(const ast::Expr& expr);
    void maybe(const std::optional<ast::Expr>& expr);
    void text(const ast::Text& text) { on_text(text.text, text.span); }
    void path(const ast::Path& path);
    void paths(const std::vector<ast::Path>& paths);
    void tail(const ast::Tail& tail);
    void channels(const std::vector<ast::ChannelPattern>& channels);
    void limit(const ast::Limit& limit);
    void let(const ast::Let& let);
    void absent(const ast::Absent& absent) { maybe(absent.otherwise); }
    void test(const ast::Test& test);
    void test_members(const std::vector<ast::TestMember>& members);

    std::vector<Scope> scopes_;
};

// --- the checks, by what they look at ---
void lint_names(LintContext& context);      // lint_names.cc: definitions nobody reads
void lint_values(LintContext& context);     // lint_values.cc: literals, sets, maps, texts
void lint_text(LintContext& context);       // lint_text.cc: what looks like something else
void lint_limits(LintContext& context);     // lint_limits.cc: rates, sizes, times
void lint_door(LintContext& context);       // lint_door.cc: who gets in, and how it is told
void lint_rules(LintContext& context);      // lint_rules.cc: what is permitted
void lint_grants(LintContext& context);     // grants.cc: what a token for one channel leaves open
void lint_streams(LintContext& context);    // streams.cc: whose they are
void lint_backends(LintContext& context);   // backends.cc: what they are told
void lint_covering(LintContext& context);   // lint_covering.cc: rules that decide nothing
void lint_addresses(LintContext& context);  // lint_addresses.cc: addresses and aliases
void lint_tests(LintContext& context);      // lint_tests.cc: what no test reaches
void lint_style(const Sources& sources, Diagnostics& diagnostics);  // lint_tests.cc: what fmt would change

}  // namespace wayleave::dsl
