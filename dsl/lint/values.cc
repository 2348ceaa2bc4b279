// Literals that cannot mean what they seem to: nets inside nets, keys that no map has, upper case in hosts.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using ast::CompareOp;
using ast::Expr;

std::optional<Net> net_of(const Expr& expr) {
    if (expr.kind != Expr::Kind::literal) return std::nullopt;
    if (const auto* net = std::get_if<Net>(&expr.literal.value.held)) return *net;
    if (const auto* ip = std::get_if<Address>(&expr.literal.value.held)) return Net{*ip, 128};
    return std::nullopt;
}

class ValueChecks : public Walker {
  public:
    explicit ValueChecks(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  private:
    void on_expr(const Expr& expr) override {
        if (expr.kind == Expr::Kind::set) check_set(expr);
        if (expr.kind == Expr::Kind::lookup) check_lookup(expr);
        if (expr.kind == Expr::Kind::comparison) check_case(expr);
    }

    // Sorted, so that a net stands behind the one that holds it.
    void check_set(const Expr& set) {
        std::vector<std::pair<Net, const Expr*>> nets;
        for (const Expr& arg : set.args) {
            if (const auto net = net_of(arg)) nets.emplace_back(canonical(*net), &arg);
        }
        std::stable_sort(nets.begin(), nets.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        const std::pair<Net, const Expr*>* widest = nullptr;
        for (const auto& entry : nets) {
            if (widest && widest->first.contains(entry.first.address)) {
                report_inside(*entry.second, *widest->second);
            } else {
                widest = &entry;
            }
        }
        check_twice(set);
    }
    void report_inside(const Expr& inner, const Expr& outer) {
        diagnostics_.warning("W109", inner.span, "this is in the set already", {}, "leave it out")
            .secondary.push_back({outer.span, "here"});
    }
    void check_twice(const Expr& set) {
        std::map<decltype(Value::held), const Expr*> seen;
        for (const Expr& arg : set.args) {
            if (arg.kind != Expr::Kind::literal || net_of(arg)) continue;
            const auto [it, fresh] = seen.emplace(arg.literal.value.held, &arg);
            if (!fresh) report_inside(arg, *it->second);
        }
    }

    void check_lookup(const Expr& lookup) {
        const Expr& key = lookup.args.front();
        const ast::Let* let = find_let(lookup.path.text());
        const auto* map = let ? std::get_if<Expr>(&let->value) : nullptr;
        if (!map || map->kind != Expr::Kind::map || key.kind != Expr::Kind::literal) return;
        const bool there = std::any_of(map->keys.begin(), map->keys.end(), [&](const Expr& known) {
            return known.kind != Expr::Kind::literal || known.literal.value == key.literal.value;
        });
        if (there) return;
        diagnostics_
            .warning("W110", key.span, quoted(let->name.text) + " has no such key",
                     "this is always the value after `else`")
            .secondary.push_back({let->name.span, "the map"});
    }

    void check_case(const Expr& comparison) {
        if (comparison.op == CompareOp::overlaps) return;
        for (size_t side = 0; side < 2; ++side) {
            const Expr& name = comparison.args[side];
            if (name.kind != Expr::Kind::path) continue;
            const std::string attribute = name.path.text();
            if (attribute == "host" || attribute == "origin")
                check_lower(attribute, comparison.args[1 - side]);
        }
    }
    void check_lower(const std::string& attribute, const Expr& other) {
        const Expr* value = resolved(other);
        if (value->kind == Expr::Kind::set) {
            for (const Expr& element : value->args) check_lower(attribute, element);
            return;
        }
        const std::string* text = string_of(*value);
        const bool upper =
            text && std::any_of(text->begin(), text->end(), [](char c) { return c >= 'A' && c <= 'Z'; });
        if (!upper) return;
        std::string lower = *text;
        for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        diagnostics_.warning("W112", value->span,
                             "`" + attribute + "` is in lower case, so this never equals it", {},
                             "write " + quoted(lower));
    }

    Diagnostics& diagnostics_;
};

}  // namespace

void lint_values(LintContext& context) {
    ValueChecks(context.diagnostics).walk(context.file);
}

}  // namespace wayleave::dsl
