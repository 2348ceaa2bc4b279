#include "dsl/lint/exact/predicate.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>

#include "dsl/policy/evaluate.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Elements = std::vector<Scalar>;

// What can only be 0 or more.
bool never_negative(const Operand& subject) {
    if (subject.from != Operand::From::attribute) return false;
    return subject.attribute == Attribute::message_size || subject.attribute == Attribute::connection_age ||
           subject.attribute == Attribute::connection_subscriptions;
}

bool is(const Operand& operand, Attribute attribute) {
    return operand.from == Operand::From::attribute && operand.attribute == attribute;
}

Scalar to_scalar(const Value& value) {
    return std::visit(
        [](const auto& held) -> Scalar {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, Elements>) {
                return false;  // not asked of sets
            } else {
                return held;
            }
        },
        value.held);
}

// As the evaluator answers it.
bool holds_between(Test test, const Value& left, const Value& right) {
    Program two;
    two.constants = {left, right};
    Operand second;
    second.index = 1;
    return holds(two, {test, {}, second, Stage::constant}, {});
}

const Elements* elements_of(const Value* value) {
    return value ? std::get_if<Elements>(&value->held) : nullptr;
}

}  // namespace

bool operator<(const Predicate& a, const Predicate& b) {
    return std::tie(a.subject, a.value, a.kind, a.beside, a.test) <
           std::tie(b.subject, b.value, b.kind, b.beside, b.test);
}

Operand segment_count() {
    return {Operand::From::attribute, Attribute::channel, 1, 0};
}

Operand segment_of_channel(size_t number) {
    return {Operand::From::attribute, Attribute::channel_segment, static_cast<uint16_t>(number), 0};
}

std::optional<bool> answer(const Predicate& predicate, const Value& value) {
    const Value right = to_value(predicate.value);
    switch (predicate.kind) {
        case Predicate::Kind::equal: return value == right;
        case Predicate::Kind::below: return holds_between(Test::less, value, right);
        case Predicate::Kind::at_most: return holds_between(Test::less_equal, value, right);
        case Predicate::Kind::in_net: return holds_between(Test::in_net, value, right);
        case Predicate::Kind::within_net: return holds_between(Test::net_in_net, value, right);
        case Predicate::Kind::like: return holds_between(Test::like, value, right);
        case Predicate::Kind::has: return holds_between(Test::element, right, value);
        case Predicate::Kind::truth: return std::get<bool>(value.held);
        case Predicate::Kind::accepts:
            return accepts(static_cast<CaptureType>(std::get<int64_t>(predicate.value)),
                           std::get<std::string>(value.held));
        case Predicate::Kind::inserted:
        case Predicate::Kind::other: break;
    }
    return std::nullopt;
}

// Null also for the right side of `is_true`, which stands for nothing.
const Value* Predicates::constant(const Operand& operand) const {
    const bool is_one = operand.from == Operand::From::constant && operand.index < program_.constants.size();
    return is_one ? &program_.constants[operand.index] : nullptr;
}

Condition Predicates::predicate(Predicate predicate) {
    const auto [it, fresh] = numbers_.try_emplace(predicate, static_cast<uint32_t>(all_.size()));
    if (fresh) all_.push_back(std::move(predicate));
    return Condition::test(it->second);
}

Condition Predicates::other(const Atom& atom) {
    return predicate({Kind::other, atom.left, false, atom.right, atom.test});
}

Condition Predicates::of_atom(uint32_t number) {
    const Atom& atom = program_.atoms[number];
    if (atom.test == Test::channel_is) return pattern(program_.patterns[atom.left.index]);
    const auto looks_up = [&](const Operand& one, const Operand& beside) {
        return one.from == Operand::From::lookup && (atom.test == Test::is_true || constant(beside)) &&
               program_.lookups[one.index].key.from == Operand::From::attribute &&
               program_.lookups[one.index].entries.size() <= most_elements;
    };
    for (const bool left : {true, false}) {
        const Operand& one = left ? atom.left : atom.right;
        if (!looks_up(one, left ? atom.right : atom.left) || (!left && atom.test == Test::is_true)) continue;
        const Lookup& lookup = program_.lookups[one.index];
        return look_up(atom, lookup.key, lookup, left);
    }
    return compare(atom);
}

// Each entry of the map that passes the test: the key is that one; or it is none, and the rest passes.
Condition Predicates::look_up(const Atom& atom, const Operand& key, const Lookup& lookup, bool left) {
    const Value* beside = constant(left ? atom.right : atom.left);
    const auto passes = [&](const Value& value) {
        if (atom.test == Test::is_true) return std::get<bool>(value.held);
        return left ? holds_between(atom.test, value, *beside) : holds_between(atom.test, *beside, value);
    };
    std::vector<Condition> any;
    std::vector<Condition> none;
    for (const auto& [known, value] : lookup.entries) {
        if (passes(value)) any.push_back(equal(key, known));
        none.push_back(Condition::negation(equal(key, known)));
    }
    if (passes(lookup.otherwise)) any.push_back(Condition::all_of(std::move(none)));
    return Condition::any_of(std::move(any));
}

Condition Predicates::compare(const Atom& atom) {
    const Value* left = constant(atom.left);
    const Value* right = constant(atom.right);
    switch (atom.test) {
        case Test::is_true: return predicate({Kind::truth, atom.left, false, {}, Test::is_true});
        case Test::equal:
            if (left) return equal(atom.right, to_scalar(*left));
            if (right) return equal(atom.left, to_scalar(*right));
            return atom.left == atom.right ? Condition::constant(true) : other(atom);
        case Test::less:
        case Test::less_equal: return order(atom, left, right);
        case Test::element:
            if (elements_of(right)) return among(atom, atom.left, *elements_of(right), Kind::equal);
            return left ? predicate({Kind::has, atom.right, to_scalar(*left), {}, Test::is_true})
                        : other(atom);
        case Test::in_net:
        case Test::net_in_net:
            return right ? in_net(atom.test == Test::in_net ? Kind::in_net : Kind::within_net, atom.left,
                                  std::get<Net>(right->held))
                         : other(atom);
        case Test::in_nets: return among(atom, atom.left, *elements_of(right), Kind::in_net);
        case Test::like: return right ? like(atom.left, std::get<std::string>(right->held)) : other(atom);
        case Test::overlaps:
            if (elements_of(right)) return among(atom, atom.left, *elements_of(right), Kind::has);
            return elements_of(left) ? among(atom, atom.right, *elements_of(left), Kind::has) : other(atom);
        case Test::channel_is: break;
    }
    return other(atom);
}

Condition Predicates::among(const Atom& atom, const Operand& subject, const Elements& elements, Kind kind) {
    if (elements.size() > most_elements) return other(atom);
    std::vector<Condition> any;
    for (const Scalar& element : elements) {
        any.push_back(kind == Kind::equal    ? equal(subject, element)
                      : kind == Kind::in_net ? in_net(kind, subject, std::get<Net>(element))
                                             : predicate({kind, subject, element, {}, Test::is_true}));
    }
    return Condition::any_of(std::move(any));
}

// All orders become `<=` and, of floats, `<`.
Condition Predicates::order(const Atom& atom, const Value* left, const Value* right) {
    const bool or_equal = atom.test == Test::less_equal;
    if (right) return or_equal ? at_most(atom.left, to_scalar(*right)) : below(atom.left, to_scalar(*right));
    if (left) {
        const Scalar value = to_scalar(*left);
        return Condition::negation(or_equal ? below(atom.right, value) : at_most(atom.right, value));
    }
    if (atom.left == atom.right) return Condition::constant(or_equal);
    if (!or_equal) return other(atom);
    return Condition::negation(other({Test::less, atom.right, atom.left, atom.stage}));
}

Condition Predicates::equal(const Operand& subject, const Scalar& value) {
    if (const auto* truth = std::get_if<bool>(&value)) {
        Condition asked = predicate({Kind::truth, subject, false, {}, Test::is_true});
        return *truth ? asked : Condition::negation(std::move(asked));
    }
    if (const auto* ip = std::get_if<Address>(&value)) return in_net(Kind::in_net, subject, {*ip, 128});
    if (const auto* number = std::get_if<int64_t>(&value); number && *number < 0 && never_negative(subject))
        return Condition::constant(false);
    if (const auto* text = std::get_if<std::string>(&value)) {
        if (is(subject, Attribute::channel)) return channel_named(*text, false);
        if (is(subject, Attribute::channel_segment)) {
            if (text->empty()) return at_most(segment_count(), static_cast<int64_t>(subject.slot));
            if (!is_channel_segment(*text)) return Condition::constant(false);
        }
    }
    return predicate({Kind::equal, subject, value, {}, Test::is_true});
}

Condition Predicates::at_most(const Operand& subject, const Scalar& value) {
    if (const auto* most = std::get_if<int64_t>(&value)) {
        if (*most == std::numeric_limits<int64_t>::max()) return Condition::constant(true);
        if (*most < 0 && never_negative(subject)) return Condition::constant(false);
        if (subject == segment_count()) {
            if (*most < 1) return Condition::constant(false);
            if (*most >= static_cast<int64_t>(max_channel_segments)) return Condition::constant(true);
        }
    }
    return predicate({Kind::at_most, subject, value, {}, Test::is_true});
}

Condition Predicates::below(const Operand& subject, const Scalar& value) {
    const auto* bound = std::get_if<int64_t>(&value);
    if (!bound) return predicate({Kind::below, subject, value, {}, Test::is_true});
    if (*bound == std::numeric_limits<int64_t>::min()) return Condition::constant(false);
    return at_most(subject, *bound - 1);
}

Condition Predicates::in_net(Kind kind, const Operand& subject, const Net& net) {
    if (net.bits == 0) return Condition::constant(true);
    return predicate({kind, subject, canonical(net), {}, Test::is_true});
}

Condition Predicates::like(const Operand& subject, const std::string& glob) {
    const size_t star = glob.find('*');
    if (star == std::string::npos) return equal(subject, glob);
    if (glob.find_first_not_of('*') == std::string::npos) return Condition::constant(true);
    // Behind a slash of a channel's name there is always more.
    if (is(subject, Attribute::channel) && star == glob.size() - 1 && glob.size() > 2 &&
        glob[star - 1] == '/')
        return channel_named(std::string_view(glob).substr(0, star - 1), true);
    return predicate({Kind::like, subject, glob, {}, Test::is_true});
}

// --- channels ---

Condition Predicates::channel_named(std::string_view name, bool and_more) {
    const auto split = split_channel(name);
    if (!split) return Condition::constant(false);
    Pattern texts;
    for (size_t i = 0; i < split->count; ++i)
        texts.push_back({PatternSegment::Kind::text, CaptureType::any, std::string(split->segments[i]), {}});
    if (and_more) texts.push_back({PatternSegment::Kind::rest, CaptureType::any, {}, {}});
    return pattern(texts);
}

Condition Predicates::pattern(const Pattern& pattern) {
    std::string glob;
    for (const PatternSegment& segment : pattern) {
        if (!glob.empty()) glob += '/';
        glob += segment.kind == PatternSegment::Kind::text ? segment.text : "*";
    }
    channels_.push_back({std::move(glob), segments(pattern)});
    return channels_.back().condition;
}

Condition Predicates::segments(const Pattern& pattern) {
    if (pattern.empty()) return Condition::constant(false);
    std::vector<Condition> all;
    const auto more_than = [&](size_t count) {
        return Condition::negation(at_most(segment_count(), static_cast<int64_t>(count)));
    };
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i].kind == PatternSegment::Kind::rest) {
            all.push_back(more_than(i));
            return Condition::all_of(std::move(all));
        }
        all.push_back(segment(pattern[i], i));
    }
    all.push_back(at_most(segment_count(), static_cast<int64_t>(pattern.size())));
    all.push_back(more_than(pattern.size() - 1));
    return Condition::all_of(std::move(all));
}

Condition Predicates::segment(const PatternSegment& segment, size_t number) {
    const Operand subject = segment_of_channel(number);
    switch (segment.kind) {
        case PatternSegment::Kind::text: return equal(subject, segment.text);
        case PatternSegment::Kind::capture:
            if (segment.type == CaptureType::any) break;
            return predicate({Kind::accepts, subject, static_cast<int64_t>(segment.type), {}, Test::is_true});
        case PatternSegment::Kind::insert: {
            const Value* value = constant(segment.insert);
            const auto* text = value ? std::get_if<std::string>(&value->held) : nullptr;
            if (text && text->empty()) return Condition::constant(false);
            if (text) {
                std::string as_segment;
                append_segment(as_segment, *text);
                return equal(subject, as_segment);
            }
            return predicate({Kind::inserted, subject, false, segment.insert, Test::is_true});
        }
        case PatternSegment::Kind::any:
        case PatternSegment::Kind::rest: break;
    }
    return Condition::constant(true);
}

}  // namespace wayleave::dsl
