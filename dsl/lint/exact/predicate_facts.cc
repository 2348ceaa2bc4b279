#include "dsl/lint/exact/predicate_facts.h"

#include <algorithm>

#include "dsl/policy/pattern.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

bool inside(const Net& inner, const Net& outer) {
    return inner.bits >= outer.bits && outer.contains(inner.address);
}

// No text matches both globs: one of them already disagrees at the beginning or at the end.
bool apart(std::string_view a, std::string_view b) {
    const std::string_view head_a = a.substr(0, a.find('*'));
    const std::string_view head_b = b.substr(0, b.find('*'));
    const size_t head = std::min(head_a.size(), head_b.size());
    if (head_a.substr(0, head) != head_b.substr(0, head)) return true;
    const std::string_view tail_a = a.substr(a.rfind('*') + 1);
    const std::string_view tail_b = b.substr(b.rfind('*') + 1);
    const size_t tail = std::min(tail_a.size(), tail_b.size());
    return tail_a.substr(tail_a.size() - tail) != tail_b.substr(tail_b.size() - tail);
}

// `b` is 1 more than `a`.
bool next_to(const Scalar& a, const Scalar& b) {
    const auto* low = std::get_if<int64_t>(&a);
    const auto* high = std::get_if<int64_t>(&b);
    return low && high && *low == *high - 1;
}

}  // namespace

std::vector<size_t> BasicFacts::of_kinds(Range range, std::initializer_list<Kind> kinds) const {
    std::vector<size_t> out;
    for (size_t i = range.begin; i < range.end; ++i) {
        if (std::find(kinds.begin(), kinds.end(), predicates_[i]->kind) != kinds.end()) out.push_back(i);
    }
    return out;
}

// From the last variables to the first, so that each step only adds nodes on top.
Bdd::Id BasicFacts::world() {
    Bdd::Id all = segments();
    for (size_t end = predicates_.size(); end > 0;) {
        size_t begin = end - 1;
        while (begin > 0 && predicates_[begin - 1]->subject == predicates_[begin]->subject) --begin;
        all = bdd_.both(group({begin, end}), all);
        end = begin;
    }
    return all;
}

Bdd::Id BasicFacts::group(Range range) {
    if (range.end - range.begin < 2) return Bdd::yes;
    Bdd::Id all = single(range);
    all = bdd_.both(order(range), all);
    all = bdd_.both(nets(range), all);
    return bdd_.both(texts(range), all);
}

// At most one of the equalities.
Bdd::Id BasicFacts::single(Range range) {
    const auto equalities = of_kinds(range, {Kind::equal});
    Bdd::Id none = Bdd::yes;
    Bdd::Id one = Bdd::yes;  // or none
    for (auto it = equalities.rbegin(); it != equalities.rend(); ++it) {
        one = bdd_.choose(variable(*it), none, one);
        none = bdd_.choose(variable(*it), Bdd::no, none);
    }
    return one;
}

Bdd::Id BasicFacts::order(Range range) {
    const auto bounds = of_kinds(range, {Kind::below, Kind::at_most});
    Bdd::Id all = Bdd::yes;
    for (size_t i = bounds.size(); i-- > 1;)
        all = bdd_.both(implied(variable(bounds[i - 1]), variable(bounds[i])), all);
    return bounds.empty() ? all : bdd_.both(between_bounds(range, bounds), all);
}

// Where an equality lies between the bounds; and what is between two neighbours is equal.
Bdd::Id BasicFacts::between_bounds(Range range, const std::vector<size_t>& bounds) {
    Bdd::Id all = Bdd::yes;
    const auto equalities = of_kinds(range, {Kind::equal});
    for (auto it = equalities.rbegin(); it != equalities.rend(); ++it) {
        const Bdd::Id here = variable(*it);
        const Scalar& value = predicates_[*it]->value;
        const auto first = std::find_if(bounds.begin(), bounds.end(), [&](size_t bound) {
            return answer(*predicates_[bound], to_value(value)) == true;
        });
        if (first != bounds.end()) all = bdd_.both(implied(here, variable(*first)), all);
        if (first == bounds.begin()) continue;
        const size_t below = *std::prev(first);
        all = bdd_.both(excluded(here, variable(below)), all);
        if (first == bounds.end()) continue;
        const Scalar& low = predicates_[below]->value;
        const Scalar& high = predicates_[*first]->value;
        const bool pinned = high == value && (next_to(low, high) || low == high);
        if (pinned) {
            const Bdd::Id between = bdd_.choose(variable(below), Bdd::no, variable(*first));
            all = bdd_.both(implied(between, here), all);
        }
    }
    return all;
}

// Nets are sorted so that one stands before those inside it.
Bdd::Id BasicFacts::nets(Range range) {
    Bdd::Id all = Bdd::yes;
    for (const Kind kind : {Kind::in_net, Kind::within_net}) {
        const auto nets = of_kinds(range, {kind});
        for (size_t i = nets.size(); i-- > 0;) {
            std::vector<size_t> inner;
            for (size_t j = i + 1; j < nets.size(); ++j) {
                const bool holds = inside(net(nets[j]), net(nets[i]));
                if (holds) inner.push_back(nets[j]);
                all = bdd_.both(holds ? implied(variable(nets[j]), variable(nets[i]))
                                      : excluded(variable(nets[j]), variable(nets[i])),
                                all);
            }
            if (kind != Kind::in_net || !filled(net(nets[i]), inner)) continue;
            Bdd::Id any = Bdd::no;
            for (auto it = inner.rbegin(); it != inner.rend(); ++it) any = bdd_.either(variable(*it), any);
            all = bdd_.both(implied(variable(nets[i]), any), all);
        }
    }
    for (const size_t equal : of_kinds(range, {Kind::equal})) {
        for (const size_t within : of_kinds(range, {Kind::within_net}))
            all = bdd_.both(relation(equal, within), all);
    }
    return all;
}

// Whether the nets inside leave no address of it out.
bool BasicFacts::filled(const Net& whole, const std::vector<size_t>& parts) const {
    bool any = false;
    for (const size_t part : parts) {
        if (inside(whole, net(part))) return true;
        any = any || inside(net(part), whole);
    }
    if (!any || whole.bits >= 128) return false;
    Net half{whole.address, static_cast<uint8_t>(whole.bits + 1)};
    if (!filled(half, parts)) return false;
    half.address.bytes[whole.bits / 8] =
        static_cast<uint8_t>(half.address.bytes[whole.bits / 8] | (0x80U >> (whole.bits % 8U)));
    return filled(half, parts);
}

// Globs and types of captures, with equalities and each other.
Bdd::Id BasicFacts::texts(Range range) {
    Bdd::Id all = Bdd::yes;
    const auto shapes = of_kinds(range, {Kind::like, Kind::accepts});
    const auto equalities = of_kinds(range, {Kind::equal});
    for (size_t i = 0; i < shapes.size(); ++i) {
        for (const size_t equal : equalities) all = bdd_.both(relation(equal, shapes[i]), all);
        for (size_t j = i + 1; j < shapes.size(); ++j) {
            all = bdd_.both(relation(shapes[i], shapes[j]), all);
            all = bdd_.both(relation(shapes[j], shapes[i]), all);
        }
    }
    return all;
}

// What the answer yes to the one says about the other.
Bdd::Id BasicFacts::relation(size_t a, size_t b) {
    const Predicate& one = *predicates_[a];
    const Predicate& other = *predicates_[b];
    bool within_it = false;
    bool outside = false;
    if (one.kind == Kind::equal) {
        const auto known = answer(other, to_value(one.value));
        within_it = known == true;
        outside = known == false;
    } else if (one.kind == Kind::like && other.kind == Kind::like) {
        const auto& glob = std::get<std::string>(one.value);
        const auto& wider = std::get<std::string>(other.value);
        within_it = glob_match(wider, glob);  // only a star takes a star
        outside = apart(glob, wider);
    } else if (one.kind == Kind::accepts && other.kind == Kind::accepts) {
        const auto type = static_cast<CaptureType>(std::get<int64_t>(one.value));
        const auto wider = static_cast<CaptureType>(std::get<int64_t>(other.value));
        within_it = within(type, wider);
        outside = !overlap(type, wider);
    }
    if (within_it) return implied(variable(a), variable(b));
    return outside ? excluded(variable(a), variable(b)) : Bdd::yes;
}

// A segment about which something is known is there, so the channel has more segments than stand before it.
Bdd::Id BasicFacts::segments() {
    Bdd::Id all = Bdd::yes;
    for (size_t i = predicates_.size(); i-- > 0;) {
        const Predicate& predicate = *predicates_[i];
        if (predicate.subject.from != Operand::From::attribute ||
            predicate.subject.attribute != Attribute::channel_segment)
            continue;
        const bool there = predicate.kind == Kind::equal || predicate.kind == Kind::accepts ||
                           predicate.kind == Kind::inserted ||
                           (predicate.kind == Kind::like && answer(predicate, Value(std::string())) == false);
        if (!there) continue;
        for (size_t j = 0; j < predicates_.size(); ++j) {
            if (predicates_[j]->subject != segment_count()) continue;
            if (std::get<int64_t>(predicates_[j]->value) <= predicate.subject.slot)
                all = bdd_.both(excluded(variable(i), variable(j)), all);
        }
    }
    return all;
}

Bdd::Id BasicFacts::of_channel(const std::string& glob, Bdd::Id pattern) {
    Bdd::Id all = Bdd::yes;
    for (size_t i = 0; i < predicates_.size(); ++i) {
        const Predicate& predicate = *predicates_[i];
        if (predicate.kind != Kind::like || predicate.subject.from != Operand::From::attribute ||
            predicate.subject.attribute != Attribute::channel)
            continue;
        const auto& wider = std::get<std::string>(predicate.value);
        if (glob_match(wider, glob)) all = bdd_.both(implied(pattern, variable(i)), all);
        if (apart(glob, wider)) all = bdd_.both(excluded(pattern, variable(i)), all);
    }
    return all;
}

}  // namespace wayleave::dsl
