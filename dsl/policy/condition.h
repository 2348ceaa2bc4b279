// A condition as the compiler understood it: a tree over the atoms of a program. The jumps are made from it;
// lint, explain and diff read it.
#pragma once

#include <cstdint>
#include <vector>

namespace wayleave::dsl {

// A checked condition: every name resolved, every type right.
struct Condition {
    enum class Kind : uint8_t { constant, atom, negation, all_of, any_of };

    Kind kind = Kind::constant;
    bool value = true;  // of a constant
    uint32_t atom = 0;
    std::vector<Condition> args;

    static Condition constant(bool value) { return {Kind::constant, value, 0, {}}; }
    static Condition test(uint32_t atom) { return {Kind::atom, true, atom, {}}; }
    static Condition negation(Condition inner);
    static Condition all_of(std::vector<Condition> args);
    static Condition any_of(std::vector<Condition> args);
};

}  // namespace wayleave::dsl
