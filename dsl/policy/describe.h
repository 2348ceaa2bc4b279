// The compiled policy in words: conditions, patterns and values, close to how they are written. For explain,
// diff and the canonical hash, so the text depends on meaning alone: not on layout, file or the names of
// `let`.
#pragma once

#include <string>
#include <string_view>

#include "dsl/policy/policy.h"

namespace wayleave::dsl {

// A place to say it for: fields have names only beside their message.
struct Words {
    const Route& route;
    const Message* message = nullptr;
    const SegmentNames* segments = nullptr;  // for one rule alone, and never for what is compared

    [[nodiscard]] std::string operand(const Operand& operand) const;
    [[nodiscard]] std::string typed(const Operand& operand, Type type) const;  // whose type is known
    [[nodiscard]] std::string atom(const Atom& atom) const;
    [[nodiscard]] std::string condition(const Condition& condition) const;
    [[nodiscard]] std::string pattern(const Pattern& pattern) const;
    // " on a/* if x" or nothing: what stands behind the actions of a rule.
    [[nodiscard]] std::string tail(const Condition& condition,
                                   const std::optional<AskedBackend>& by = {}) const;
    [[nodiscard]] std::string path(const BackendPath& to) const;  // with the names of what is inserted
    // " if x" or nothing: of anything that has a condition but is no rule.
    [[nodiscard]] std::string condition_of(RootId root) const;
    [[nodiscard]] std::string limit(const Limit& limit) const;
    [[nodiscard]] std::string rule(std::string_view action, const Clause& clause) const;
    [[nodiscard]] Type type_of(const Operand& operand) const;

  private:
    [[nodiscard]] std::string attribute(const Operand& operand) const;
    [[nodiscard]] std::string segment_name(size_t segment) const;  // empty: it has none
    [[nodiscard]] std::string value(const Operand& constant, const Operand& beside) const;
};

// "2kb", "30s", "2027-06-30", "\"text\"", "{ 1, 2 }"
[[nodiscard]] std::string print(const Value& value, Type type);
[[nodiscard]] std::string print(const Outcome& outcome);

// Parts of statements, as they are written.
[[nodiscard]] std::string member_text(const std::string& name, const std::vector<std::string>& member);
[[nodiscard]] std::string absent_text(bool required, const Value& otherwise, Type type);
[[nodiscard]] std::string field_text(const FieldDecl& field);
[[nodiscard]] std::string origins_text(const Origins& origins);

}  // namespace wayleave::dsl
