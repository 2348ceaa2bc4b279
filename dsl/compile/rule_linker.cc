#include "dsl/compile/rule_linker.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace wayleave::dsl {
namespace {

constexpr size_t fewest_rules = 4;     // fewer are asked one after the other
constexpr size_t longest_gap = 8;      // of rules that do not bound the operand
constexpr size_t most_constants = 64;  // of one rule
constexpr size_t copies_a_rule = 4;
constexpr size_t deepest = 4;

std::vector<uint32_t> united(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
    std::vector<uint32_t> out;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
    return out;
}

std::vector<uint32_t> common(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
    std::vector<uint32_t> out;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
    return out;
}

bool among(const std::vector<uint32_t>& sorted, uint32_t one) {
    return std::binary_search(sorted.begin(), sorted.end(), one);
}

}  // namespace

NodeId RuleLinker::link(List rules, NodeId otherwise) {
    copies_left_ = 8 * rules.size() + 64;
    return link(rules, otherwise, 0);
}

NodeId RuleLinker::link(const List& rules, NodeId otherwise, size_t depth) {
    if (rules.size() < fewest_rules || depth == deepest) return chain(rules, 0, rules.size(), otherwise);
    std::vector<Bounds> bounds;
    for (const Rule& rule : rules) bounds.push_back(bounds_of(rule.condition));
    // From the front it is found what can be a run, from the back it is linked.
    std::vector<std::pair<size_t, Run>> runs;
    for (size_t at = 0; at < rules.size();) {
        Run run = best_run(bounds, at);
        const size_t begin = at;
        at = std::max(run.end, at + 1);
        if (run.end == 0 || run.copies > copies_left_) continue;
        copies_left_ -= run.copies;
        runs.emplace_back(begin, std::move(run));
    }
    size_t end = rules.size();
    for (auto it = runs.rbegin(); it != runs.rend(); ++it) {
        otherwise = chain(rules, it->second.end, end, otherwise);
        otherwise = link_run(rules, bounds, it->first, it->second, otherwise, depth);
        end = it->first;
    }
    return chain(rules, 0, end, otherwise);
}

NodeId RuleLinker::chain(const List& rules, size_t begin, size_t end, NodeId otherwise) {
    for (size_t i = end; i-- > begin;)
        otherwise = builder_.link(rules[i].condition, rules[i].verdict, otherwise);
    return otherwise;
}

// The run from there on that saves most questions.
RuleLinker::Run RuleLinker::best_run(const std::vector<Bounds>& bounds, size_t begin) const {
    Run best;
    double best_saved = 0;
    for (const auto& [on, bound] : bounds[begin]) {
        Run run = run_of(bounds, begin, on);
        if (run.bounded < fewest_rules || run.distinct < 2) continue;
        const auto asked = static_cast<double>(run.copies) / static_cast<double>(run.distinct);
        const double saved = static_cast<double>(run.end - begin) - asked;
        if (saved <= best_saved) continue;
        best_saved = saved;
        best = std::move(run);
    }
    return best;
}

RuleLinker::Run RuleLinker::run_of(const std::vector<Bounds>& bounds, size_t begin, const Operand& on) {
    Run run;
    run.on = on;
    std::set<uint32_t> seen;
    size_t cases = 0;  // copies of rules that bound it
    size_t free = 0;   // rules up to here that do not: they stand in each case
    for (size_t i = begin; i < bounds.size(); ++i) {
        const auto it = bounds[i].find(on);
        if (it == bounds[i].end()) {
            if (i - std::max(run.end, begin) >= longest_gap) break;
            ++free;
            continue;
        }
        const Constants& constants = it->second.constants;
        cases += constants.size();
        seen.insert(constants.begin(), constants.end());
        const size_t copies = cases + free * seen.size();
        if (copies > copies_a_rule * (i + 1 - begin) + most_constants) break;
        run.copies = copies;
        run.end = i + 1;
        ++run.bounded;
        run.distinct = seen.size();
    }
    return run;
}

NodeId RuleLinker::link_run(const List& rules, const std::vector<Bounds>& bounds, size_t begin,
                            const Run& run, NodeId otherwise, size_t depth) {
    std::map<uint32_t, List> cases;
    Stage stage = Stage::constant;
    for (size_t i = begin; i < run.end; ++i) {
        const auto it = bounds[i].find(run.on);
        if (it == bounds[i].end()) continue;
        stage = it->second.stage;
        for (const uint32_t constant : it->second.constants) cases[constant];
    }
    List rest;
    for (size_t i = begin; i < run.end; ++i) {
        const auto add = [&](uint32_t constant, List& list) {
            list.push_back({given(rules[i].condition, run.on, constant), rules[i].verdict});
        };
        if (const auto it = bounds[i].find(run.on); it != bounds[i].end()) {
            for (const uint32_t constant : it->second.constants) add(constant, cases[constant]);
        } else {
            for (auto& [constant, list] : cases) add(constant, list);
            rest.push_back(rules[i]);
        }
    }
    std::vector<std::pair<uint32_t, NodeId>> targets;
    for (const auto& [constant, list] : cases)
        targets.emplace_back(constant, link(list, otherwise, depth + 1));
    const NodeId none = chain(rest, 0, rest.size(), otherwise);
    return builder_.switch_on(run.on, stage, targets, none);
}

// --- what a condition asks of an operand ---

RuleLinker::Bounds RuleLinker::bounds_of(const Condition& condition) {
    Bounds out;
    switch (condition.kind) {
        case Condition::Kind::constant:
        case Condition::Kind::negation: break;
        case Condition::Kind::atom: return bounds_of_atom(builder_.program().atoms[condition.atom]);
        case Condition::Kind::all_of:
            for (const Condition& arg : condition.args) {
                for (auto& [on, bound] : bounds_of(arg)) {
                    const auto [it, fresh] = out.try_emplace(on, bound);
                    if (!fresh) it->second.constants = common(it->second.constants, bound.constants);
                }
            }
            break;
        case Condition::Kind::any_of:
            out = bounds_of(condition.args.front());
            for (const Condition& arg : condition.args) {
                const Bounds more = bounds_of(arg);
                for (auto it = out.begin(); it != out.end();) {
                    const auto other = more.find(it->first);
                    const bool bounded = other != more.end();
                    if (bounded) it->second.constants = united(it->second.constants, other->second.constants);
                    const bool stays = bounded && it->second.constants.size() <= most_constants;
                    it = stays ? std::next(it) : out.erase(it);
                }
            }
            break;
    }
    return out;
}

RuleLinker::Bounds RuleLinker::bounds_of_atom(const Atom& atom) {
    if (atom.test == Test::channel_is) return bounds_of_pattern(builder_.program().patterns[atom.left.index]);
    const bool equal = atom.test == Test::equal && atom.left.from == Operand::From::constant &&
                       atom.right.from == Operand::From::attribute;
    const bool element = atom.test == Test::element && atom.left.from == Operand::From::attribute &&
                         atom.right.from == Operand::From::constant;
    if (!equal && !element) return {};
    Bound bound{atom.stage, {}};
    if (equal) {
        const Value& value = builder_.program().constants[atom.left.index];
        const auto scalar = std::visit(
            [&](const auto& held) -> std::optional<uint32_t> {
                if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::vector<Scalar>>) {
                    return std::nullopt;
                } else {
                    return constant_of(Scalar(held));
                }
            },
            value.held);
        if (!scalar) return {};
        bound.constants = {*scalar};
        return {{atom.right, std::move(bound)}};
    }
    // A copy: new constants move the old.
    const auto scalars = std::get<std::vector<Scalar>>(builder_.program().constants[atom.right.index].held);
    if (scalars.size() > most_constants) return {};
    for (const Scalar& scalar : scalars) {
        const auto constant = constant_of(scalar);
        if (!constant) return {};
        bound.constants.push_back(*constant);
    }
    std::sort(bound.constants.begin(), bound.constants.end());
    return {{atom.left, std::move(bound)}};
}

// A channel with fewer segments has no text there, and no pattern asks for an empty one.
RuleLinker::Bounds RuleLinker::bounds_of_pattern(const Pattern& pattern) {
    Bounds out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i].kind != PatternSegment::Kind::text) continue;
        const Operand on{Operand::From::attribute, Attribute::channel_segment, static_cast<uint16_t>(i), 0};
        out.emplace(on, Bound{Stage::channel, {builder_.constant(Value(pattern[i].text)).index}});
    }
    return out;
}

// Only what a switch can look up; the others have more than one spelling, or none that can be hashed.
std::optional<uint32_t> RuleLinker::constant_of(const Scalar& scalar) {
    if (!std::holds_alternative<std::string>(scalar) && !std::holds_alternative<int64_t>(scalar) &&
        !std::holds_alternative<Address>(scalar))
        return std::nullopt;
    return builder_.constant(to_value(scalar)).index;
}

// --- what is left of it in a case ---

Condition RuleLinker::given(const Condition& condition, const Operand& on, uint32_t constant) {
    if (condition.kind == Condition::Kind::constant) return condition;
    if (condition.kind == Condition::Kind::atom) {
        const auto known = answer(builder_.program().atoms[condition.atom], on, constant);
        return known ? Condition::constant(*known) : condition;
    }
    if (condition.kind == Condition::Kind::negation)
        return Condition::negation(given(condition.args.front(), on, constant));
    std::vector<Condition> args;
    for (const Condition& arg : condition.args) args.push_back(given(arg, on, constant));
    return condition.kind == Condition::Kind::all_of ? Condition::all_of(std::move(args))
                                                     : Condition::any_of(std::move(args));
}

std::optional<bool> RuleLinker::answer(const Atom& atom, const Operand& on, uint32_t constant) {
    if (atom.test != Test::channel_is && atom.left != on && atom.right != on) return std::nullopt;
    const Bounds bounds = bounds_of_atom(atom);
    const auto it = bounds.find(on);
    if (it == bounds.end()) return std::nullopt;
    const bool possible = among(it->second.constants, constant);
    // Of a pattern one segment is known, and the others are to be asked.
    if (possible && atom.test == Test::channel_is) return std::nullopt;
    return possible;
}

}  // namespace wayleave::dsl
