// What is certain about the rules of one decision: which never decide, which say twice what is said already.
// Private to lint, and to the tests that ask the evaluator whether it is true.
#pragma once

#include <string_view>
#include <vector>

#include "dsl/policy/policy.h"
#include "dsl/syntax/ast.h"

namespace wayleave::dsl {

struct RuleFinding {
    std::string_view id;           // W102, …
    uint32_t rule = 0;             // in Route::rules
    std::vector<uint32_t> covers;  // the rules that are the reason
    bool value = false;            // W103: what the condition always is
    size_t fact = 0;               // W108: which fact is absent
};

struct DecisionFindings {
    std::vector<RuleFinding> findings;
    bool gave_up = false;  // there are none then
};

// A value that takes its `else` when it is absent.
struct AbsentFact {
    size_t fact = 0;  // in FactShape::facts
    Value otherwise;
};
[[nodiscard]] std::vector<AbsentFact> absent_facts(const Policy& policy, const Route& route);

// The rules of a route as they are written, by their numbers in Route::rules.
using WrittenRules = std::vector<const ast::Rule*>;

// `clauses` are those of a decision, as Route::clauses has them.
[[nodiscard]] DecisionFindings look_exactly(const Route& route, const std::vector<Clause>& clauses,
                                            const WrittenRules& written,
                                            const std::vector<AbsentFact>& absent);

}  // namespace wayleave::dsl
