#include "dsl/policy/facts.h"

#include <algorithm>

namespace wayleave::dsl {

bool rebind(Facts& facts, const std::shared_ptr<const FactShape>& shape) {
    if (facts.shape == shape) return true;
    if (facts.shape && *facts.shape == *shape) {
        facts.shape = shape;
        return true;
    }
    std::vector<Value> values;
    values.reserve(shape->facts.size());
    for (const FactShape::Fact& wanted : shape->facts) {
        const auto& had = facts.shape->facts;
        const auto it = std::find_if(had.begin(), had.end(), [&](const FactShape::Fact& fact) {
            return fact.name == wanted.name && fact.type == wanted.type;
        });
        if (it == had.end()) return false;
        values.push_back(facts.values[static_cast<size_t>(it - had.begin())]);
    }
    facts.values = std::move(values);
    facts.shape = shape;
    return true;
}

}  // namespace wayleave::dsl
