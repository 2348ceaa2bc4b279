// The conditions of one decision as boolean functions, and what is certain between them: whether one covers
// another is answered exactly within the facts of basic_facts.h, and never wrongly.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "dsl/lint/exact/bdd.h"
#include "dsl/lint/exact/predicate.h"
#include "dsl/policy/policy.h"

namespace wayleave::dsl {

class Reasoning {
  public:
    using Function = Bdd::Id;

    // Knows the atoms of these conditions.
    Reasoning(const Program& program, std::span<const Clause> clauses);

    [[nodiscard]] Function function(const Condition& condition);
    [[nodiscard]] Function either(Function a, Function b) { return bdd_.either(a, b); }
    [[nodiscard]] Function both(Function a, Function b) { return bdd_.both(a, b); }
    [[nodiscard]] Function negation(Function a) { return bdd_.negation(a); }
    static constexpr Function never_holds = Bdd::no;
    static constexpr Function always_holds = Bdd::yes;

    [[nodiscard]] bool never(Function a) { return bdd_.both(world_, a) == Bdd::no; }
    [[nodiscard]] bool always(Function a) { return bdd_.choose(a, Bdd::no, world_) == Bdd::no; }
    // Whether b holds wherever a does.
    [[nodiscard]] bool covered(Function a, Function b) { return never(bdd_.choose(b, Bdd::no, a)); }
    [[nodiscard]] bool same(Function a, Function b) { return covered(a, b) && covered(b, a); }

    // Whether `a` can hold where the subject has that value and would not hold for another value of it; and
    // whether some question names the value.
    [[nodiscard]] bool grants(Function a, const Operand& subject, const Value& value);
    [[nodiscard]] bool names(const Operand& subject, const Value& value) const;
    [[nodiscard]] bool asks(const Operand& subject) const;

    // True once it was too much; all other answers mean nothing then.
    [[nodiscard]] bool gave_up() const { return bdd_.gave_up() || too_many_; }

    static constexpr size_t most_questions = 512;

  private:
    void learn(const Condition& condition, Predicates& predicates);
    Function of_basics(const Condition& condition, const std::vector<uint32_t>& variables);

    Bdd bdd_;
    std::vector<Predicate> predicates_;              // the variables
    std::unordered_map<uint32_t, Condition> forms_;  // of atoms, over the numbers of Predicates
    std::unordered_map<uint32_t, Function> atoms_;
    Function world_ = Bdd::yes;
    bool too_many_ = false;
};

}  // namespace wayleave::dsl
