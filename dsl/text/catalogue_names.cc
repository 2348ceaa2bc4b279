// Warnings W1xx: names, values and rules.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"W101", "unused-name", Severity::warning,
        "Something is defined, and nobody reads it.",
        "A `let`, an input with `else`, an untyped capture of an address, a token, a policy or a backend.",
        "Often it shows that a rule is missing, or reads another name than was meant.",
        "Use it or take it away; `*` stands for a segment whose value does not matter.",
        Frame::route,
R"(let staff = { "alice", "bob" })",
R"(let staff = { "alice", "bob" }
allow subscribe on staff/** if user.sub in staff)"},
    Check{"W102", "unreachable-allow", Severity::warning,
        "An `allow` that a `deny` always beats.",
        "Whenever this `allow` holds, a `deny` holds as well, and one `deny` beats every `allow`.",
        "The permission that is written here is never given.",
        "Narrow the `deny`, or take the `allow` away.",
        Frame::route,
R"(allow publish on a/* if user.plan == "team"
deny publish because "closed")",
R"(allow publish on a/* if user.plan == "team"
deny publish if user.plan == "free" because "closed")"},
    Check{"W103", "constant-condition", Severity::warning,
        "A condition that is always true, or never.",
        "Whatever the client is or sends, it has the same answer.",
        "The rule decides something else than its writer thinks.",
        "Correct the comparison, or leave the condition out.",
        Frame::route,
R"(deny connect if user.plan == "a" and user.plan == "b" because "no")",
R"(deny connect if user.plan == "a" or user.plan == "b" because "no")"},
    Check{"W104", "duplicate-rule", Severity::warning,
        "The same rule stands twice.",
        "Verb, action, channel and condition are equal.",
        "Who changes one of them later will wonder why nothing changes.",
        "Take one away.",
        Frame::route,
R"(deny connect if user.plan == "x" because "no"
deny connect if user.plan == "x" because "no")",
R"(deny connect if user.plan == "x" because "no")"},
    Check{"W105", "redundant-rule", Severity::warning,
        "A rule that another one covers.",
        "Whenever it holds, another `allow` holds; or it is a `deny`, and one that is asked before it holds.",
        "It looks as if it decided something.",
        "Take it away, or narrow the other one.",
        Frame::route,
R"(allow publish on a/b
allow publish on a/b if user.plan == "team")",
R"(allow publish on a/b if user.plan == "team")"},
    Check{"W106", "dead-alias", Severity::warning,
        "An alias that nobody reaches.",
        "Narrower addresses together match all that it matches.",
        "Old clients come to another route than the alias says.",
        "Take the alias away, or make it narrower.",
        Frame::file,
R"(route room /ws/* { auth = none allow connect }
route slash /ws/*/ { auth = none allow connect }
route deep /ws/*/** { auth = none allow connect }
route old /old { auth = none allow connect alias /ws/** until 2999-12-31 })",
R"(route room /ws/* { auth = none allow connect }
route old /old { auth = none allow connect alias /ws/** until 2999-12-31 })"},
    Check{"W107", "idle-deny", Severity::warning,
        "A `deny` about something that nothing allows.",
        "No `allow` ever grants this action on these channels, so it is refused anyway.",
        "Probably an `allow` is missing, or the channel is written otherwise there.",
        "Take it away, or write the `allow`.",
        Frame::route,
R"(deny presence on staff because "for staff")",
R"(allow subscribe on staff
deny subscribe on staff if user.plan == "free" because "for staff")"},
    Check{"W108", "absent-grants", Severity::warning,
        "Who sends nothing is permitted more.",
        "An `allow` holds because an input or claim takes its `else`, which no condition names.",
        "A client may simply leave the value out.",
        "Choose an `else` for which the rule does not hold, or make the value `required`.",
        Frame::route,
R"(input env : string from header "X-Env" else ""
allow publish on ops/** if env != "prod")",
R"(input env : string from header "X-Env" else "prod"
allow publish on ops/** if env != "prod")"},
    Check{"W109", "set-overlap", Severity::warning,
        "An element of a set is in it already.",
        "A net that lies inside another, or the same value twice.",
        "Harmless by itself; often one of them was meant to be another value.",
        "Leave it out, or correct it.",
        Frame::route,
R"(deny connect if ip in { 10.0.0.0/8, 10.1.0.0/16 } because "not from there")",
R"(deny connect if ip in { 10.0.0.0/8, 192.168.0.0/16 } because "not from there")"},
    Check{"W110", "map-key-unmatched", Severity::warning,
        "A look-up by a key that the map does not have.",
        "The value is always the one after `else`.",
        "The key is probably misspelt.",
        "Correct the key, or add it to the map.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
let rate = { "free": 1/s, "team": 9/s }
route r /r { auth = session origins = { none } limit messages to rate["gold"] else 1/s per user.sub })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
let rate = { "free": 1/s, "team": 9/s }
route r /r { auth = session origins = { none } limit messages to rate[user.sub] else 1/s per user.sub })"},
    Check{"W111", "like-without-star", Severity::warning,
        "A `like` without `*` is an equality.",
        "`like` compares a whole string with a pattern, and only `*` stands for other text.",
        "Who thinks that it finds a part of a text is mistaken.",
        "Write `==`, or stars around the part: \"*curl*\".",
        Frame::route,
R"(deny connect if user.sub like "bot" because "no bots")",
R"(deny connect if user.sub like "bot-*" because "no bots")"},
    Check{"W112", "case-trap", Severity::warning,
        "Upper case is compared with what is always in lower case.",
        "`host` is made lower case before it is compared, and browsers send origins so.",
        "The comparison never holds.",
        "Write it in lower case.",
        Frame::route,
R"(deny connect if host == "Chat.example.com" because "moved")",
R"(deny connect if host == "chat.example.com" because "moved")"},
    Check{"W113", "confusing-text", Severity::warning,
        "A text is not what it looks like.",
        "It mixes letters of two scripts in one word, holds a character that cannot be seen, or one that turns the "
        "order of the line.",
        "The reader of the policy sees another rule than the daemon executes.",
        "Type the text again; a character that is meant can be written \\u{…}.",
        Frame::route,
R"(deny connect if user.sub == "аdmin" because "no")",
R"(deny connect if user.sub == "admin" because "no")"},
    Check{"W114", "nobody-connects", Severity::warning,
        "No `allow connect` reaches a route.",
        "Nothing is permitted until an `allow` says so.",
        "Every client is refused.",
        "Write `allow connect`, perhaps with a condition.",
        Frame::file,
R"(route r /r { auth = none })",
R"(route r /r {
    auth = none
    allow connect
})"},
    Check{"W115", "idle-message", Severity::warning,
        "A message is accepted and goes nowhere.",
        "The block neither publishes nor forwards nor replies.",
        "The client is told that all is well, and nothing happens.",
        "Write `publish to CHANNEL`, or leave the block out.",
        Frame::route,
R"(message chat.say { allow })",
R"(message chat.say {
    allow
    publish to room/lobby
})"},
    Check{"W116", "other-door", Severity::warning,
        "A `deny publish` does not stop the message blocks.",
        "`publish` is a client's own publication to a channel by its name. Message blocks publish by the server's "
        "decision, after `allow` and `deny` of the block and after `deny message`.",
        "Who may not publish to a channel may still reach it by a message.",
        "Write `deny message` with the same condition beside it, or a `deny` in the block.",
        Frame::route,
R"(allow publish on room/:room
deny publish if user.plan == "muted" because "muted"
message chat.say {
    field text : string required
    allow
    publish to room/lobby
})",
R"(allow publish on room/:room
deny publish, message if user.plan == "muted" because "muted"
message chat.say {
    field text : string required
    allow
    publish to room/lobby
})"},
    Check{"W117", "idle-outcome", Severity::warning,
        "An outcome that its reason never produces.",
        "The reason happens after the handshake alone, and a status is sent before.",
        "The client gets the default.",
        "Write `close N` or `error \"name\"`.",
        Frame::route,
R"(errors { slow = status 503 })",
R"(errors { slow = close 4408 })"},
    Check{"W118", "empty-segment", Severity::warning,
        "A joined channel whose name may be lacking a segment.",
        "An insert reads a claim or an input whose `else` is the empty text, which is no segment.",
        "Such a client joins nothing, and is not told.",
        "Make the value `required`, or give it another `else`.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim team : string else "" }
route r /r { auth = session origins = { none } join team/{user.team} })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim team : string required }
route r /r { auth = session origins = { none } join team/{user.team} })"},
    Check{"W119", "order-before-priority", Severity::warning,
        "A `priority` of a publication to a channel with `history`.",
        "The messages of such a channel are numbered, and come in the order of their numbers.",
        "It is never delivered before the others, as whoever wrote it expects.",
        "Give the channel a `priority` of its own, or publish to a channel without `history`.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
channel room/* { history = 5  keep = 1h }
route r /r { auth = session origins = { none } allow connect
    message a { set from = user.sub  allow  publish to room/b priority urgent } })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
channel room/* { history = 5  keep = 1h  priority = urgent }
route r /r { auth = session origins = { none } allow connect
    message a { set from = user.sub  allow  publish to room/b } })"},
    Check{"W120", "ends-unheard", Severity::warning,
        "A backend is told of `unsubscribe` and not of `disconnect`.",
        "A connection that ends leaves all its channels, and tells no `unsubscribe` for them.",
        "Whoever counts the members of a room counts those who are gone.",
        "Add `disconnect` to the events.",
        Frame::file,
R"(backend app { url = "http://127.0.0.1:8000" }
route r /r { auth = none notify app "/events" on subscribe, unsubscribe })",
R"(backend app { url = "http://127.0.0.1:8000" }
route r /r { auth = none notify app "/events" on subscribe, unsubscribe, disconnect })"},
    Check{"W121", "settings-do-not-fit", Severity::warning,
        "What the settings say does not fit the policy, the machine, or what else they say.",
        "The daemon starts. A part of what is written has no effect, or will fail later: a token for a console that "
        "is served nowhere, an api that no listener serves, a certificate that ends soon, a log that others can read.",
        "Nobody notices until it is needed.",
        "Do what the warning says, or remove what has no effect.",
        Frame::settings,
R"([[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d"
[admin]
token_file = "keys/app.whsec")",
R"([[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d"
[admin]
address = "127.0.0.1:9100"
token_file = "keys/app.whsec")"},
};
// clang-format on

}  // namespace

std::span<const Check> name_warnings() {
    return rows;
}

}  // namespace wayleave::dsl
