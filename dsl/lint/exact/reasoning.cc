#include "dsl/lint/exact/reasoning.h"

#include <algorithm>
#include <numeric>

#include "dsl/lint/exact/predicate_facts.h"

namespace wayleave::dsl {

Reasoning::Reasoning(const Program& program, std::span<const Clause> clauses) {
    Predicates predicates(program);
    for (const Clause& clause : clauses) learn(clause.condition, predicates);
    if (predicates.all().size() > most_questions) too_many_ = true;
    if (too_many_) return;
    std::vector<uint32_t> order(predicates.all().size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return predicates.all()[a] < predicates.all()[b]; });
    std::vector<uint32_t> variables(order.size());
    std::vector<const Predicate*> sorted;
    for (const uint32_t number : order) {
        variables[number] = static_cast<uint32_t>(predicates_.size());
        predicates_.push_back(predicates.all()[number]);
    }
    for (const Predicate& predicate : predicates_) sorted.push_back(&predicate);
    BasicFacts facts(bdd_, sorted);
    world_ = facts.world();
    for (const auto& [atom, form] : forms_) atoms_[atom] = of_basics(form, variables);
    for (const Predicates::ChannelQuestion& channel : predicates.channels()) {
        if (bdd_.gave_up()) return;
        world_ = bdd_.both(world_, facts.of_channel(channel.glob, of_basics(channel.condition, variables)));
    }
}

void Reasoning::learn(const Condition& condition, Predicates& predicates) {
    for (const Condition& arg : condition.args) learn(arg, predicates);
    if (condition.kind != Condition::Kind::atom || forms_.contains(condition.atom)) return;
    forms_.emplace(condition.atom, predicates.of_atom(condition.atom));
}

namespace {

template <class OfAtom>
Bdd::Id build(Bdd& bdd, const Condition& condition, const OfAtom& of_atom) {
    switch (condition.kind) {
        case Condition::Kind::constant: return condition.value ? Bdd::yes : Bdd::no;
        case Condition::Kind::atom: return of_atom(condition.atom);
        case Condition::Kind::negation: return bdd.negation(build(bdd, condition.args.front(), of_atom));
        case Condition::Kind::all_of:
        case Condition::Kind::any_of: break;
    }
    const bool all = condition.kind == Condition::Kind::all_of;
    Bdd::Id out = all ? Bdd::yes : Bdd::no;
    for (auto it = condition.args.rbegin(); it != condition.args.rend(); ++it) {
        if (bdd.gave_up()) return Bdd::no;
        const Bdd::Id arg = build(bdd, *it, of_atom);
        out = all ? bdd.both(arg, out) : bdd.either(arg, out);
    }
    return out;
}

}  // namespace

Reasoning::Function Reasoning::of_basics(const Condition& condition, const std::vector<uint32_t>& variables) {
    return build(bdd_, condition, [&](uint32_t predicate) { return bdd_.variable(variables[predicate]); });
}

Reasoning::Function Reasoning::function(const Condition& condition) {
    if (gave_up()) return Bdd::no;
    return build(bdd_, condition, [&](uint32_t atom) { return atoms_.at(atom); });
}

bool Reasoning::asks(const Operand& subject) const {
    return std::any_of(predicates_.begin(), predicates_.end(),
                       [&](const Predicate& predicate) { return predicate.subject == subject; });
}

bool Reasoning::names(const Operand& subject, const Value& value) const {
    return std::any_of(predicates_.begin(), predicates_.end(), [&](const Predicate& predicate) {
        return predicate.kind == Predicate::Kind::equal && predicate.subject == subject &&
               to_value(predicate.value) == value;
    });
}

bool Reasoning::grants(Function a, const Operand& subject, const Value& value) {
    Function with = bdd_.both(world_, a);
    Function others = bdd_.choose(a, Bdd::no, world_);  // it can be, and a does not hold
    for (uint32_t i = 0; i < predicates_.size(); ++i) {
        if (predicates_[i].subject != subject) continue;
        if (const auto known = answer(predicates_[i], value)) with = bdd_.restricted(with, i, *known);
        others = bdd_.either(bdd_.restricted(others, i, true), bdd_.restricted(others, i, false));
    }
    return bdd_.both(with, others) != Bdd::no;
}

}  // namespace wayleave::dsl
