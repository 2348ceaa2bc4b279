// Builds a Program: the same constant, pattern, atom or node is stored once, however many rules ask for it.
#pragma once

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "dsl/policy/condition.h"
#include "dsl/policy/program.h"

namespace wayleave::dsl {

class ProgramBuilder {
  public:
    [[nodiscard]] Operand constant(const Value& value);
    [[nodiscard]] Operand lookup(Lookup lookup);
    [[nodiscard]] uint32_t pattern(const Pattern& pattern);
    [[nodiscard]] uint32_t atom(const Atom& atom);
    [[nodiscard]] NodeId node(uint32_t atom, NodeId yes, NodeId no);
    // Jumps that lead to `yes` where the condition holds and to `no` where it does not.
    [[nodiscard]] NodeId link(const Condition& condition, NodeId yes, NodeId no);
    // Leads by the constant that `on` equals; see Switch. The cases are constants, each once.
    [[nodiscard]] NodeId switch_on(const Operand& on, Stage stage,
                                   const std::vector<std::pair<uint32_t, NodeId>>& cases, NodeId otherwise);
    [[nodiscard]] RootId root(NodeId node);
    [[nodiscard]] RootId root(const Condition& condition) { return root(link(condition, always, never)); }

    // Counts the conditions that were looked at; false when they are too many for one route. Definitions that
    // use each other twice grow without end otherwise.
    [[nodiscard]] bool spend() { return ++spent_ <= most_conditions; }
    static constexpr size_t most_conditions = 200'000;

    [[nodiscard]] const Program& program() const { return program_; }
    [[nodiscard]] Program take();

  private:
    void find_early();
    void place_memory();

    Program program_;
    size_t spent_ = 0;
    std::map<decltype(Value::held), uint32_t> constants_;
    std::map<Pattern, uint32_t> patterns_;
    std::map<Atom, uint32_t> atoms_;
    std::map<std::tuple<uint32_t, NodeId, NodeId>, NodeId> nodes_;
};

}  // namespace wayleave::dsl
