// Notes.
#include <array>

#include "dsl/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"N501", "not-formatted", Severity::note,
        "`wayleave fmt` would write the file otherwise.",
        "There is one style.",
        "Differences of style hide those of meaning.",
        "Run `wayleave fmt`.",
        Frame::route,
R"(max_message=4kb)",
R"(max_message = 4kb)"},
    Check{"N502", "overlap", Severity::note,
        "Part of an address belongs to another route.",
        "A narrower address matches some of what this one matches, and the narrower one wins.",
        "That is often meant; a reader of this route alone does not see it.",
        "Nothing, if it is meant.",
        Frame::file,
R"(route all /ws/** { auth = none }
route chat /ws/chat { auth = none })",
R"(route all /all/** { auth = none }
route chat /ws/chat { auth = none })"},
    Check{"N503", "unused-suppression", Severity::note,
        "A suppression that suppresses nothing.",
        "What it names is not found in the statement that follows it.",
        "It would hide the finding if it came one day.",
        "Take the comment away.",
        Frame::route,
R"(# lint: ignore W205 because "pictures"
max_message = 8kb)",
R"(max_message = 8kb)"},
    Check{"N504", "gave-up", Severity::note,
        "Conditions too large to compare exactly.",
        "Whether rules cover each other is decided exactly, up to a bound of work.",
        "Checks W102 to W108 have not looked at this route.",
        "Nothing; or split the route.",
        Frame::route,
R"(allow publish on a/*)",
R"(allow publish on a/b)"},
    Check{"N505", "outcome-falls-back", Severity::note,
        "An outcome that one of two moments cannot do.",
        "A reason or rule speaks at the handshake and afterwards; a status exists only before, a close only after.",
        "At the other moment the client gets the default.",
        "Write both: `limited = status 503` and `limited = close 4429`.",
        Frame::route,
R"(errors { limited = close 4429 })",
R"(errors { limited = status 503  limited = close 4429 })"},
};
// clang-format on

}  // namespace

std::span<const Check> notes() {
    return rows;
}

}  // namespace wayleave::dsl
