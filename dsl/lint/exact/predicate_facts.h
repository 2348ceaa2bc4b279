// What is certain between basic questions about the same value: two constants are not both equal to it, a
// net lies in another, what is at most 3 is at most 5.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dsl/lint/exact/bdd.h"
#include "dsl/lint/exact/predicate.h"

namespace wayleave::dsl {

class BasicFacts {
  public:
    // `predicates` are sorted: each is the variable of its index.
    BasicFacts(Bdd& bdd, const std::vector<const Predicate*>& predicates)
        : bdd_(bdd), predicates_(predicates) {}

    // Holds for all answers that can be given together, and perhaps for others.
    [[nodiscard]] Bdd::Id world();
    // Those between a channel's name as a text and a pattern that it matches.
    [[nodiscard]] Bdd::Id of_channel(const std::string& glob, Bdd::Id pattern);

  private:
    using Kind = Predicate::Kind;
    struct Range {
        size_t begin = 0;
        size_t end = 0;
    };

    [[nodiscard]] Bdd::Id group(Range range);
    [[nodiscard]] Bdd::Id single(Range range);
    [[nodiscard]] Bdd::Id order(Range range);
    [[nodiscard]] Bdd::Id between_bounds(Range range, const std::vector<size_t>& bounds);
    [[nodiscard]] Bdd::Id nets(Range range);
    [[nodiscard]] Bdd::Id texts(Range range);
    [[nodiscard]] Bdd::Id segments();
    [[nodiscard]] bool filled(const Net& net, const std::vector<size_t>& inside) const;

    [[nodiscard]] Bdd::Id variable(size_t index) { return bdd_.variable(static_cast<uint32_t>(index)); }
    [[nodiscard]] Bdd::Id implied(Bdd::Id a, Bdd::Id b) { return bdd_.choose(a, b, Bdd::yes); }
    [[nodiscard]] Bdd::Id excluded(Bdd::Id a, Bdd::Id b) {
        return bdd_.choose(a, bdd_.negation(b), Bdd::yes);
    }
    [[nodiscard]] Bdd::Id relation(size_t a, size_t b);
    [[nodiscard]] std::vector<size_t> of_kinds(Range range, std::initializer_list<Kind> kinds) const;
    [[nodiscard]] const Net& net(size_t index) const { return std::get<Net>(predicates_[index]->value); }

    Bdd& bdd_;
    const std::vector<const Predicate*>& predicates_;
};

}  // namespace wayleave::dsl
