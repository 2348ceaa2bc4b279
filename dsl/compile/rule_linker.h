// Links the rules of one decision into jumps. Rules that ask the same operand for different constants become
// the cases of a switch: of ten thousand rooms' rules, only those of the one room are asked.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "dsl/compile/program_builder.h"

namespace wayleave::dsl {

class RuleLinker {
  public:
    struct Rule {
        Condition condition;
        NodeId verdict;
    };

    explicit RuleLinker(ProgramBuilder& builder) : builder_(builder) {}

    // The first rule that holds decides; none: `otherwise`.
    [[nodiscard]] NodeId link(std::vector<Rule> rules, NodeId otherwise);

  private:
    // Where a condition can hold only if an operand equals one of a few constants: which.
    using Constants = std::vector<uint32_t>;  // sorted
    struct Bound {
        Stage stage;
        Constants constants;
    };
    using Bounds = std::map<Operand, Bound>;
    using List = std::vector<Rule>;
    // Rules [begin, end) of a list, most of which bound `on`.
    struct Run {
        size_t end = 0;
        Operand on;
        size_t bounded = 0;
        size_t distinct = 0;  // constants
        size_t copies = 0;    // of rules, in all cases together
    };

    [[nodiscard]] NodeId link(const List& rules, NodeId otherwise, size_t depth);
    [[nodiscard]] NodeId chain(const List& rules, size_t begin, size_t end, NodeId otherwise);
    [[nodiscard]] Run best_run(const std::vector<Bounds>& bounds, size_t begin) const;
    [[nodiscard]] static Run run_of(const std::vector<Bounds>& bounds, size_t begin, const Operand& on);
    [[nodiscard]] NodeId link_run(const List& rules, const std::vector<Bounds>& bounds, size_t begin,
                                  const Run& run, NodeId otherwise, size_t depth);

    [[nodiscard]] Bounds bounds_of(const Condition& condition);
    [[nodiscard]] Bounds bounds_of_atom(const Atom& atom);
    [[nodiscard]] Bounds bounds_of_pattern(const Pattern& pattern);
    [[nodiscard]] std::optional<uint32_t> constant_of(const Scalar& scalar);
    // What is left of a condition where `on` equals the constant.
    [[nodiscard]] Condition given(const Condition& condition, const Operand& on, uint32_t constant);
    [[nodiscard]] std::optional<bool> answer(const Atom& atom, const Operand& on, uint32_t constant);

    ProgramBuilder& builder_;
    size_t copies_left_ = 0;
};

}  // namespace wayleave::dsl
