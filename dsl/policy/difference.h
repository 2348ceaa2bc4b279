// What differs in meaning between two policies, block by block and line by line; order and layout do not
// count.
#pragma once

#include <string>
#include <vector>

#include "dsl/policy/canonical.h"
#include "dsl/policy/policy.h"

namespace wayleave::dsl {

struct SectionChange {
    enum class Kind : uint8_t { added, removed, changed };

    Kind kind = Kind::changed;
    std::string name;              // "route chat"
    std::vector<Meaning> removed;  // lines of the old policy that the new one has not
    std::vector<Meaning> added;
    std::vector<std::string> consequences = {};  // for who is connected, where the lines do not say it
};

[[nodiscard]] std::vector<SectionChange> difference(const Policy& before, const Policy& after);

// For a person; empty when there is none.
[[nodiscard]] std::string text_of(const std::vector<SectionChange>& changes);

}  // namespace wayleave::dsl
