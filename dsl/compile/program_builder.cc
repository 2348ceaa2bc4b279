#include "dsl/compile/program_builder.h"

#include <algorithm>

#include "dsl/policy/evaluate.h"

namespace wayleave::dsl {
namespace {

using enum Condition::Kind;

// All of them, or any: a constant decides or is left out, a lone one stands for itself.
Condition joined(Condition::Kind kind, std::vector<Condition> args) {
    const bool deciding = kind == any_of;
    std::vector<Condition> kept;
    for (Condition& arg : args) {
        if (arg.kind != constant) {
            kept.push_back(std::move(arg));
        } else if (arg.value == deciding) {
            return Condition::constant(deciding);
        }
    }
    if (kept.empty()) return Condition::constant(!deciding);
    if (kept.size() == 1) return std::move(kept.front());
    return {kind, true, 0, std::move(kept)};
}

template <class Map, class Store>
uint32_t intern(Map& map, Store& store, const typename Map::key_type& key,
                const typename Store::value_type& value) {
    const auto [it, fresh] = map.try_emplace(key, static_cast<uint32_t>(store.size()));
    if (fresh) store.push_back(value);
    return it->second;
}

}  // namespace

Condition Condition::negation(Condition inner) {
    if (inner.kind == Kind::constant) return constant(!inner.value);
    return {Kind::negation, true, 0, {std::move(inner)}};
}

Condition Condition::all_of(std::vector<Condition> args) {
    return joined(Kind::all_of, std::move(args));
}
Condition Condition::any_of(std::vector<Condition> args) {
    return joined(Kind::any_of, std::move(args));
}

Operand ProgramBuilder::constant(const Value& value) {
    Operand operand;
    operand.index = intern(constants_, program_.constants, value.held, value);
    return operand;
}

Operand ProgramBuilder::lookup(Lookup lookup) {
    Operand operand;
    operand.from = Operand::From::lookup;
    operand.index = static_cast<uint32_t>(program_.lookups.size());
    program_.lookups.push_back(std::move(lookup));
    return operand;
}

uint32_t ProgramBuilder::pattern(const Pattern& pattern) {
    return intern(patterns_, program_.patterns, pattern, pattern);
}

uint32_t ProgramBuilder::atom(const Atom& atom) {
    return intern(atoms_, program_.atoms, atom, atom);
}

NodeId ProgramBuilder::node(uint32_t atom, NodeId yes, NodeId no) {
    if (yes == no) return yes;
    return intern(nodes_, program_.nodes, {atom, yes, no}, Node{atom, yes, no});
}

NodeId ProgramBuilder::link(const Condition& condition, NodeId yes, NodeId no) {
    switch (condition.kind) {
        case Condition::Kind::constant: return condition.value ? yes : no;
        case Condition::Kind::atom: return node(condition.atom, yes, no);
        case negation: return link(condition.args.front(), no, yes);
        case all_of:
            for (auto it = condition.args.rbegin(); it != condition.args.rend(); ++it)
                yes = link(*it, yes, no);
            return yes;
        case any_of:
            for (auto it = condition.args.rbegin(); it != condition.args.rend(); ++it)
                no = link(*it, yes, no);
            return no;
    }
    return no;
}

NodeId ProgramBuilder::switch_on(const Operand& on, Stage stage,
                                 const std::vector<std::pair<uint32_t, NodeId>>& cases, NodeId otherwise) {
    const bool any =
        std::any_of(cases.begin(), cases.end(), [&](const auto& one) { return one.second != otherwise; });
    if (!any) return otherwise;
    Switch made{on, stage, {}, {}};
    size_t size = 4;
    while (size < 2 * cases.size()) size *= 2;
    made.slots.resize(size);
    const auto first = static_cast<NodeId>(program_.nodes.size());
    for (const auto& [constant, target] : cases) {
        size_t slot = switch_hash(view(program_.constants[constant])) & (size - 1);
        while (made.slots[slot] != 0) slot = (slot + 1) & (size - 1);
        made.constants.push_back(constant);
        made.slots[slot] = static_cast<uint32_t>(made.constants.size());
        program_.nodes.push_back({case_of_switch, target, target});
    }
    const auto number = static_cast<uint32_t>(program_.switches.size());
    program_.switches.push_back(std::move(made));
    program_.nodes.push_back({switch_bit | number, first, otherwise});
    return static_cast<NodeId>(program_.nodes.size() - 1);
}

Program ProgramBuilder::take() {
    find_early();
    place_memory();
    program_.constants.shrink_to_fit();
    program_.patterns.shrink_to_fit();
    program_.atoms.shrink_to_fit();
    program_.nodes.shrink_to_fit();
    program_.roots.shrink_to_fit();
    return std::move(program_);
}

void ProgramBuilder::find_early() {
    std::vector<bool> asked(program_.atoms.size());
    for (const Node& node : program_.nodes) {
        if ((node.atom & switch_bit) == 0) asked[node.atom] = true;
    }
    for (uint32_t i = 0; i < program_.atoms.size(); ++i) {
        if (asked[i] && program_.atoms[i].stage <= Stage::identity) program_.early_atoms.push_back(i);
    }
    for (uint32_t i = 0; i < program_.switches.size(); ++i) {
        if (program_.switches[i].stage <= Stage::identity) program_.early_switches.push_back(i);
    }
}

void ProgramBuilder::place_memory() {
    std::vector<uint32_t> asked(program_.atoms.size());
    for (const Node& node : program_.nodes) {
        if ((node.atom & switch_bit) == 0) ++asked[node.atom];
    }
    program_.memory.resize(program_.atoms.size());
    for (size_t i = 0; i < asked.size() && program_.remembered < most_remembered; ++i) {
        if (asked[i] < 2 || program_.atoms[i].test < Test::element) continue;
        program_.memory[i] = static_cast<uint16_t>(++program_.remembered);
    }
}

RootId ProgramBuilder::root(NodeId node) {
    program_.roots.push_back(node);
    return static_cast<RootId>(program_.roots.size() - 1);
}

}  // namespace wayleave::dsl
