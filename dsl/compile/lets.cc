// Definitions as such: those that nobody reads, and those that a test puts in the place of others.
#include "dsl/compile/parts.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t most_policies = 100;  // that the tests of one policy make

bool is_whole_condition(const ast::Expr& expr) {
    using Kind = ast::Expr::Kind;
    return expr.kind == Kind::negation || expr.kind == Kind::all_of || expr.kind == Kind::any_of ||
           expr.kind == Kind::comparison;
}

const std::vector<ast::Member>* members_of(const ast::Item& item) {
    if (const auto* policy = std::get_if<ast::Policy>(&item)) return &policy->members;
    if (const auto* defaults = std::get_if<ast::Defaults>(&item)) return &defaults->members;
    if (const auto* route = std::get_if<ast::Route>(&item)) return &route->members;
    if (const auto* api = std::get_if<ast::Api>(&item)) return &api->members;
    return nullptr;
}

// Checks types, by the names of all routes together. What is not among them is a matter of who reads it.
class LetChecker {
  public:
    explicit LetChecker(CompileContext& context) : context_(context) {
        for (const auto& [name, symbol] : context.symbols) {
            if (symbol) names_.symbols.emplace(name, *symbol);
        }
        names_.incomplete = true;
    }

    void check(const ast::Let& let, const Lets& lets) {
        names_.lets = &lets;
        ProgramBuilder builder;
        ExprChecker checker(context_.sources, context_.files, names_, builder, context_.diagnostics);
        const Context everything{true, true, true, "in a definition"};
        if (const auto* file = std::get_if<ast::FileValue>(&let.value)) return (void)checker.file(*file);
        const auto* expr = std::get_if<ast::Expr>(&let.value);
        if (!expr) return;
        if (is_whole_condition(*expr)) return (void)checker.condition(*expr, everything);
        // A name alone is what it names, a condition or a value.
        if (expr->kind != ast::Expr::Kind::path) (void)checker.operand(*expr, everything);
    }

    template <class Member>
    void body(const std::vector<Member>& members, const Lets& outer) {
        Lets lets(&outer);
        each<ast::Let>(members, [&](const ast::Let& let) { (void)lets.add(let); });
        each<ast::Let>(members, [&](const ast::Let& let) { check(let, lets); });
        if constexpr (std::is_same_v<Member, ast::Member>) {
            each<ast::Message>(members, [&](const ast::Message& message) { body(message.members, lets); });
        }
    }

  private:
    CompileContext& context_;
    Names names_;
};

}  // namespace

void check_lets(CompileContext& context, const ast::File& file) {
    LetChecker checker(context);
    for (const ast::Item& item : file.items) {
        if (const auto* let = std::get_if<ast::Let>(&item)) checker.check(*let, context.lets);
        if (const auto* members = members_of(item)) checker.body(*members, context.lets);
    }
}

TestPolicies::TestPolicies(CompileContext& context, const ast::File& file, Compile compile)
    : context_(context), compile_(std::move(compile)) {
    const auto know = [&](const ast::Let& let) { known_.insert(let.name.text); };
    for (const ast::Item& item : file.items) {
        if (const auto* let = std::get_if<ast::Let>(&item)) know(*let);
        const auto* members = members_of(item);
        if (!members) continue;
        each<ast::Let>(*members, know);
        each<ast::Message>(*members,
                           [&](const ast::Message& message) { each<ast::Let>(message.members, know); });
    }
}

LetNames TestPolicies::definitions(const ast::Test& test) {
    LetNames out;
    each<ast::Let>(test.items, [&](const ast::Let& let) {
        if (!known_.contains(let.name.text)) {
            const std::vector<std::string_view> known(known_.begin(), known_.end());
            context_.diagnostics.misspelt("E002", let.name.span,
                                          "the policy has no `let " + std::string(let.name.text) + "`",
                                          near_name(let.name.text, known),
                                          "a test gives another value to a name that the policy defines");
            return;
        }
        const auto [it, fresh] = out.emplace(let.name.text, &let);
        if (fresh) return;
        context_.diagnostics
            .error("E005", let.name.span, quoted(let.name.text) + " is defined twice in this test")
            .secondary.push_back({it->second->name.span, "first here"});
    });
    return out;
}

std::shared_ptr<const Policy> TestPolicies::with(const LetNames& instead) {
    std::string key;
    for (const auto& [name, let] : instead) (key += context_.sources.text(let->span)) += '\n';
    if (const auto it = made_.find(key); it != made_.end()) return it->second;
    const ast::Let& first = *instead.begin()->second;
    if (made_.size() == most_policies) {
        context_.diagnostics.error("E026", first.span, "the tests of a policy make at most 100 others of it",
                                   "by definitions that differ");
        return nullptr;
    }
    Diagnostics found;
    auto policy = compile_(instead, found);
    // What is wrong with the policy itself is told there.
    if (found.errors() > 0 && context_.diagnostics.errors() == 0) {
        const Diagnostic& mistake = found.all().front();
        context_.diagnostics
            .error(mistake.id, first.span,
                   "with this definition the policy has a mistake: " + mistake.message)
            .secondary.push_back({mistake.primary.span, "here"});
    }
    if (found.errors() > 0) policy = nullptr;
    return made_.emplace(std::move(key), std::move(policy)).first->second;
}

}  // namespace wayleave::dsl
