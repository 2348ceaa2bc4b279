#include "dsl/lint/exact/bdd.h"

#include <algorithm>

namespace wayleave::dsl {
namespace {

constexpr uint32_t no_variable = UINT32_MAX;  // of the constants: asked last
constexpr size_t most_computed = 16;          // results that are remembered, for each node that there may be

}  // namespace

size_t Bdd::Hash::operator()(const Node& node) const {
    uint64_t hash = node.variable;
    for (const uint64_t part : {uint64_t{node.then}, uint64_t{node.otherwise}}) {
        hash = (hash ^ part) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 29U;
    }
    return static_cast<size_t>(hash);
}

Bdd::Id Bdd::node(uint32_t variable, Id then, Id otherwise) {
    if (then == otherwise) return then;
    const Node wanted{variable, then, otherwise};
    if (const auto it = unique_.find(wanted); it != unique_.end()) return it->second;
    if (nodes_.size() >= most_) {
        gave_up_ = true;
        return no;
    }
    nodes_.push_back(wanted);
    const auto id = static_cast<Id>(nodes_.size() + 1);
    unique_.emplace(wanted, id);
    return id;
}

Bdd::Id Bdd::variable(uint32_t number) {
    return node(number, yes, no);
}

uint32_t Bdd::top(Id a) const {
    const Node* node = at(a);
    return node ? node->variable : no_variable;
}

Bdd::Id Bdd::branch(Id a, uint32_t variable, bool value) const {
    const Node* node = at(a);
    if (!node || node->variable != variable) return a;
    return value ? node->then : node->otherwise;
}

// Recursive to the number of variables, which the bound on nodes bounds as well.
Bdd::Id Bdd::choose(Id condition, Id then, Id otherwise) {
    if (gave_up_) return no;
    if (condition == yes || then == otherwise) return then;
    if (condition == no) return otherwise;
    if (then == yes && otherwise == no) return condition;
    const Node question{condition, then, otherwise};
    if (const auto it = computed_.find(question); it != computed_.end()) return it->second;
    const uint32_t variable = std::min({top(condition), top(then), top(otherwise)});
    const auto half = [&](bool value) {
        return choose(branch(condition, variable, value), branch(then, variable, value),
                      branch(otherwise, variable, value));
    };
    const Id when = half(true);
    const Id unless = half(false);
    const Id result = node(variable, when, unless);
    if (gave_up_) return no;
    // The work is bounded, too: what would have to be remembered says how much was done.
    if (computed_.size() >= most_ * most_computed) {
        gave_up_ = true;
        return no;
    }
    computed_.emplace(question, result);
    return result;
}

Bdd::Id Bdd::restricted(Id a, uint32_t variable, bool value) {
    std::unordered_map<Id, Id> known;
    return restrict_below(a, variable, value, known);
}

Bdd::Id Bdd::restrict_below(Id a, uint32_t variable, bool value, std::unordered_map<Id, Id>& known) {
    if (gave_up_ || top(a) > variable) return a;
    if (top(a) == variable) return branch(a, variable, value);
    if (const auto it = known.find(a); it != known.end()) return it->second;
    const Node here = *at(a);  // a copy: nodes_ grows below
    const Id then = restrict_below(here.then, variable, value, known);
    const Id otherwise = restrict_below(here.otherwise, variable, value, known);
    const Id result = node(here.variable, then, otherwise);
    known.emplace(a, result);
    return result;
}

// Every node but `no` leads to `yes`, since it is reduced.
std::optional<std::vector<Bdd::Choice>> Bdd::example(Id a) const {
    if (a == no) return std::nullopt;
    std::vector<Choice> out;
    while (const Node* node = at(a)) {
        const bool value = node->then != no;
        out.push_back({node->variable, value});
        a = value ? node->then : node->otherwise;
    }
    return out;
}

}  // namespace wayleave::dsl
