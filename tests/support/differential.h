// One generated policy and inputs for it, decided three times: by the compiled program, by what folding
// leaves of it, and by the slow interpreter.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/choices.h"

namespace wayleave::tests {

struct Differential {
    size_t inputs = 0;
    size_t allowed = 0;   // decisions
    size_t denied = 0;    // by a `deny`
    size_t unnamed = 0;   // that no rule allows
    size_t switches = 0;  // of the policy
    std::string failure;  // empty: all agree
};

[[nodiscard]] Differential decide_generated(Choices& choices, size_t inputs);

}  // namespace wayleave::tests
