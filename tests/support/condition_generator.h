// Conditions and operands that are well typed where they are to stand.
#pragma once

#include <string>
#include <vector>

#include "dsl/policy/program.h"
#include "dsl/policy/value.h"
#include "tests/support/choices.h"

namespace wayleave::tests {

// A name that a condition may read.
struct Known {
    std::string name;
    dsl::Type type;
    dsl::Stage stage = dsl::Stage::arrival;  // when it becomes known
};

// A definition. A condition can be asked, but not compared.
struct KnownLet {
    enum class Form : uint8_t { value, condition, map };

    std::string name;
    Form form = Form::value;
    dsl::Type type;                       // of a map: of its keys
    dsl::Kind value = dsl::Kind::string;  // of a map's values
    bool constant = false;
};

struct Scope {
    std::vector<Known> names;
    std::vector<KnownLet> lets;
};

[[nodiscard]] const std::vector<Known>& builtin_attributes();
// What is left of a scope up to a stage.
[[nodiscard]] Scope until(const Scope& scope, dsl::Stage stage);

class ConditionGenerator {
  public:
    ConditionGenerator(const Scope& scope, Choices& choices) : scope_(scope), choices_(choices) {}

    [[nodiscard]] std::string condition(size_t depth = 3);
    [[nodiscard]] std::string operand(dsl::Kind kind);
    [[nodiscard]] std::string literal_set(dsl::Kind kind);
    // A name of a single string or number: what an insert or a limit's key may be.
    [[nodiscard]] std::string segment_name();
    // A condition that can hold only where that name is one of few constants.
    [[nodiscard]] std::string bounded(const std::string& name, dsl::Kind kind);
    // NAME[key] else literal, or empty if there is no such map.
    [[nodiscard]] std::string lookup(dsl::Kind value);

  private:
    std::string truth();
    std::string equality();
    std::string order();
    std::string membership();
    std::string address();
    std::string mixed_nets(dsl::Kind left);
    std::string like();
    std::string overlaps();
    std::string joined(size_t depth);
    std::string part(size_t depth);
    std::string set(dsl::Kind kind, bool constant);
    std::vector<std::string> names(dsl::Type type, bool constants) const;

    const Scope& scope_;
    Choices& choices_;
};

}  // namespace wayleave::tests
