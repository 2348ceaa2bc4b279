// Everything that lint can say: one row each, with a page for people. Code that tells a diagnostic and this
// table are held together by a test.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dsl/text/diagnostic.h"

namespace wayleave::dsl {

// Where an example stands.
enum class Frame : uint8_t {
    file,      // it is a whole policy
    route,     // in the braces of a route whose token is `session`
    settings,  // it is a settings file
};

struct Check {
    std::string_view id;
    std::string_view name;
    Severity severity = Severity::error;
    std::string_view sentence;
    std::string_view means;
    std::string_view matters;
    std::string_view todo;
    Frame frame = Frame::route;
    std::string_view bad;   // an example that yields it
    std::string_view good;  // one that does not
};

// All, by id: errors, warnings, notes.
[[nodiscard]] std::span<const Check> catalogue();
[[nodiscard]] const Check* find_check(std::string_view id_or_name);  // the case of an id does not matter

// The page of a check, for a person.
[[nodiscard]] std::string page(const Check& check);

// The policy around an example of Frame::route.
[[nodiscard]] std::string framed(Frame frame, std::string_view example);

// The parts of the table, in their order.
[[nodiscard]] std::span<const Check> policy_errors();
[[nodiscard]] std::span<const Check> more_errors();
[[nodiscard]] std::span<const Check> name_warnings();
[[nodiscard]] std::span<const Check> limit_warnings();
[[nodiscard]] std::span<const Check> door_warnings();
[[nodiscard]] std::span<const Check> notes();

}  // namespace wayleave::dsl
