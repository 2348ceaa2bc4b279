// Why a condition holds or not: the questions that decided it, with the values they were asked about. The
// answers come from evaluate.h, so they are those of the decision itself.
#pragma once

#include <string>
#include <vector>

#include "dsl/policy/describe.h"
#include "dsl/policy/evaluate.h"

namespace wayleave::dsl {

struct Finding {
    bool holds = false;
    // If it holds: the questions that made it so, with what was found. If it does not: each question that
    // would have to be answered otherwise, "user.plan == \"team\": user.plan is
    // \"free\"". A claim that is declared secret is not shown.
    std::vector<std::string> why;
};

[[nodiscard]] Finding find_out(const Words& words, const Condition& condition, const Request& request);

// A value of the request in words.
[[nodiscard]] std::string shown(const Words& words, const Operand& operand, const Request& request);

}  // namespace wayleave::dsl
