// Notes.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"N501", "not-formatted", Severity::note,
        "`wayleave fmt` would write the file otherwise.",
        "There is one style.",
        "Differences of style hide those of meaning.",
        "Run `wayleave fmt`.",
        Frame::file,
R"(route r /r { auth=none })",
R"(route r /r {
    auth = none
}
)"},
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
        "Checks W102 to W108 have nothing to say about this action of the route.",
        "Nothing; or write simpler rules.",
        Frame::route,
R"(allow publish on a if
    (host like "*a*" and path like "*a*") or (host like "*b*" and path like "*b*") or
    (host like "*c*" and path like "*c*") or (host like "*d*" and path like "*d*") or
    (host like "*e*" and path like "*e*") or (host like "*f*" and path like "*f*") or
    (host like "*g*" and path like "*g*") or (host like "*h*" and path like "*h*") or
    (host like "*i*" and path like "*i*") or (host like "*j*" and path like "*j*") or
    (host like "*k*" and path like "*k*") or (host like "*l*" and path like "*l*"))",
R"(allow publish on a if path like "*a*")"},
    Check{"N505", "outcome-falls-back", Severity::note,
        "An outcome that one of two moments cannot do.",
        "A rule speaks at the handshake and afterwards; a status exists only before, a close only after.",
        "At the other moment the client gets the default.",
        "Write two rules, or leave `then` out.",
        Frame::route,
R"(allow subscribe on news
deny connect, subscribe if user.plan == "x" then close 4403 because "no")",
R"(allow subscribe on news
deny connect if user.plan == "x" then status 404 because "no")"},
    Check{"N506", "endless-token", Severity::note,
        "A token need not say when it ends.",
        "`exp = optional` accepts tokens without `exp`.",
        "Whoever finds one may use it for as long as the key is good.",
        "Let the issuer write `exp`, and take the setting out.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" exp = optional from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } })"},
    Check{"N507", "key-left-out", Severity::note,
        "A key of a set is not used.",
        "The set of `keys` lists a key that no token can be verified with here: of another kind or curve, for "
        "another algorithm, for encryption, or broken.",
        "Tokens that are signed with it are refused; the other keys of the set are used.",
        "Nothing, if the key is meant for others. Else make one for RS256, ES256, EdDSA or HS256.",
        Frame::file,
R"(token session { keys = file "keys/mixed.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } })"},
    Check{"N508", "no-sender", Severity::note,
        "Nothing tells the readers of a message who sent it.",
        "The route knows its users, and neither a `set` nor the channel nor a compared field names one.",
        "Readers can only believe what the sender writes about itself.",
        "Write `set from = user.sub` in the block; or nothing, if it does not matter who sent it.",
        Frame::route,
R"(message say {
    field room : string required
    allow
    publish to room/{room}
})",
R"(message say {
    field room : string required
    set from = user.sub
    allow
    publish to room/{room}
})"},
    Check{"N509", "acks-by-the-client", Severity::note,
        "A client that never acknowledges gets everything at every connect.",
        "With `acks = user` the channel delivers what the user has not acknowledged, and only `$ack` of a client "
        "does that.",
        "A client that was written without `$ack` is sent all that is kept, each time that it connects, on each "
        "device.",
        "Let the clients send `$ack`, and say so with `# lint: ignore N509 because \"…\"`; else take `acks` out and "
        "recover with `since`.",
        Frame::file,
R"(channel user/:id { history = 100 keep = 7d acks = user }
route r /r { auth = none allow connect })",
R"(channel user/:id { history = 100 keep = 7d }
route r /r { auth = none allow connect })"},
};
// clang-format on

}  // namespace

std::span<const Check> notes() {
    return rows;
}

}  // namespace wayleave::dsl
