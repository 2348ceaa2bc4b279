// Errors E001 to E014.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"E001", "syntax", Severity::error,
        "The text is not a sentence of the language.",
        "Something is missing, stands in the wrong place, or is written as another language writes it.",
        "What cannot be read is not guessed: the whole policy is refused, and the running one stays.",
        "The message says what was expected and what was found; wayleave.route(5) has every construct.",
        Frame::route,
R"(deny publish if message.size >)",
R"(deny publish if message.size > 4kb because "too large")"},
    Check{"E002", "undefined-name", Severity::error,
        "A name is used that nothing defines.",
        "Names are those that are built in, claims (`user.NAME`), captures, inputs, fields of the message, and `let`.",
        "A condition on a name that does not exist would be false, and a `deny` would never hold.",
        "Correct the spelling, or declare the claim, input or field.",
        Frame::route,
R"(deny connect if user.plam == "free" because "not in this plan")",
R"(deny connect if user.plan == "free" because "not in this plan")"},
    Check{"E003", "type-mismatch", Severity::error,
        "A value is of another type than its place needs.",
        "Every value has one type, and nothing is converted: a size is no time, a set is no single value.",
        "A comparison of different things would have no meaning, and a rule that has none protects nothing.",
        "The message names both types. For an element of a set use `in`, for two sets `overlaps`.",
        Frame::route,
R"(deny publish if message.size > 30s because "too large")",
R"(deny publish if message.size > 30kb because "too large")"},
    Check{"E004", "not-yet-known", Severity::error,
        "A rule reads something that is not known when it decides.",
        "The channel is known at subscribe and publish, the message when it has arrived, claims after the token, and "
        "what a grant says in a rule that names it by `with`. A backend is asked by `by` about subscribing alone: a "
        "publication or a message cannot wait for its answer.",
        "The rule could not decide.",
        "Move the condition to a rule about the action where the value is known. Where a backend is to decide about a "
        "message, write a `message` block that forwards it: `forward to app \"/path\"`, whose answer may publish.",
        Frame::route,
R"(deny connect if channel like "staff/*" because "for staff")",
R"(deny subscribe on ** if channel like "staff/*" because "for staff")"},
    Check{"E005", "duplicate-name", Severity::error,
        "A name is defined twice.",
        "Tokens, routes, policies, definitions, claims, fields and captures have one name each, and none may hide "
        "another.",
        "It would depend on the order of lines or files which one is meant, and order never matters here.",
        "Rename one. A field of a message may have another name here: `field my_room : string as \"room\" required`.",
        Frame::file,
R"(let a = 1
let a = 2
route r /r { auth = none })",
R"(let a = 1
let b = 2
route r /r { auth = none })"},
    Check{"E006", "route-conflict", Severity::error,
        "Two addresses match the same path, and neither is narrower.",
        "The narrowest address wins. Where each of two matches something that the other does not, there is no "
        "narrowest.",
        "Which route a client reaches would be an accident.",
        "Make one narrower, for example by a typed capture `:id(int)`, or write a third address for what both match.",
        Frame::file,
R"(route a /a/:x { auth = none }
route b /:y/b { auth = none })",
R"(route a /a/:x { auth = none }
route b /b/:y { auth = none })"},
    Check{"E007", "capture-unbound", Severity::error,
        "An address of a route does not catch what the route reads.",
        "All addresses of a route catch the same names, since its rules may read each of them.",
        "A rule would read a value that is not there.",
        "Catch the same names in every address, or write two routes.",
        Frame::file,
R"(route a /a/:tenant, /b { auth = none })",
R"(route a /a/:tenant, /b/:tenant { auth = none })"},
    Check{"E008", "unknown-setting", Severity::error,
        "There is no setting of that name here.",
        "Settings stand in routes, policies and defaults, in tokens and in messages; each place has its own.",
        "A setting that is not understood is not ignored: the one who wrote it relies on it.",
        "Correct the spelling; wayleave.route(5) lists the settings.",
        Frame::route,
R"(max_mesage = 4kb)",
R"(max_message = 4kb)"},
    Check{"E009", "setting-conflict", Severity::error,
        "Two policies or defaults set the same to different values.",
        "A route's own setting beats those of policies it uses, and these beat defaults; between equals nothing "
        "decides.",
        "The order of lines would decide, and it never does.",
        "Set it in the route itself, or in one place alone.",
        Frame::file,
R"(policy a { max_message = 1kb }
policy b { max_message = 2kb }
route r /r { auth = none use a, b })",
R"(policy a { max_message = 1kb }
policy b { ping_every = 20s }
route r /r { auth = none use a, b })"},
    Check{"E010", "definition-cycle", Severity::error,
        "A definition leads to itself.",
        "`let a = b` and `let b = a` define nothing.",
        "There is no value to use.",
        "Give one of them a value of its own. Definitions may use each other up to 32 levels deep.",
        Frame::file,
R"(let a = b
let b = a
route r /r { auth = none })",
R"(let a = 1
let b = a
route r /r { auth = none })"},
    Check{"E011", "no-auth", Severity::error,
        "A route does not say who may use it.",
        "Every route names its tokens, or says `auth = none`.",
        "A route that is public by oversight is the mistake that costs most.",
        "Write `auth = NAME`; or `auth = none` to mean that everybody may connect.",
        Frame::file,
R"(route r /r { allow connect })",
R"(route r /r {
    auth = none
    allow connect
})"},
    Check{"E012", "unknown-backend", Severity::error,
        "A backend is named that no block declares.",
        "`forward`, `stream`, `notify`, `proxy` and `check` name a `backend` block.",
        "There is no address to send anything to.",
        "Correct the spelling, or write the block.",
        Frame::file,
R"(backend app { url = "http://127.0.0.1:8000" }
route r /r { auth = none notify ap "/events" on connect })",
R"(backend app { url = "http://127.0.0.1:8000" }
route r /r { auth = none notify app "/events" on connect })"},
    Check{"E013", "unreadable-file", Severity::error,
        "A file that the policy names cannot be used.",
        "It is missing, may not be read by this user, is too large, or a line of it is not of the type that is "
        "promised.",
        "A list that is silently empty would open or close a door.",
        "Correct the path (it starts at the directory of the policy file), the permissions or the line.",
        Frame::route,
R"(let office = file "lists/nowhere.txt" of net
deny connect if not (ip in office) because "from the office only")",
R"(let office = file "lists/office.txt" of net
deny connect if not (ip in office) because "from the office only")"},
    Check{"E014", "bad-code", Severity::error,
        "A status or close code that may not be sent.",
        "A refusal's status is 400 to 599. Close codes are 1000-1003, 1007-1014 and 3000-4999; RFC 6455 reserves "
        "others.",
        "Browsers treat reserved codes as a broken connection.",
        "Choose one in range; an application's own close codes are 4000 to 4999.",
        Frame::route,
R"(deny connect if user.plan == "free" then status 200)",
R"(deny connect if user.plan == "free" then status 402 because "not in this plan")"},
};
// clang-format on

}  // namespace

std::span<const Check> policy_errors() {
    return rows;
}

}  // namespace wayleave::dsl
