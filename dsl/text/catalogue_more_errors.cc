// Errors from E015 on.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"E015", "any-origin-with-cookie", Severity::error,
        "Every page on the web could use its visitors' cookies here.",
        "Browsers send cookies with a WebSocket whichever page opens it, and `origins = any` admits every page.",
        "Any page could act in the name of its visitors (cross-site WebSocket hijacking).",
        "List the origins of your own pages, or take the token from a header or subprotocol.",
        Frame::file,
R"(token web {
    keys = file "keys/app.jwks"
    from cookie "sid"
}
route r /r {
    auth    = web
    origins = any
})",
R"(token web {
    keys = file "keys/app.jwks"
    from cookie "sid"
}
route r /r {
    auth    = web
    origins = { "https://app.example.com" }
})"},
    Check{"E016", "weak-algorithm", Severity::error,
        "A signature algorithm or key that proves nothing.",
        "`none`, an algorithm for which no key is there, an HMAC algorithm beside public keys, or a key that is too "
        "short.",
        "Anybody could make tokens.",
        "Leave `algorithms` out: it follows from the keys. Make keys with `wayleave token --new-key`.",
        Frame::file,
R"(token web {
    keys = file "keys/app.jwks"
    algorithms = { "none" }
    from header "Authorization"
}
route r /r { auth = web origins = { none } })",
R"(token web {
    keys = file "keys/app.jwks"
    from header "Authorization"
}
route r /r { auth = web origins = { none } })"},
    Check{"E017", "exposed-secret-file", Severity::error,
        "A file with a secret is open to others.",
        "A file with a private or HMAC key can be read by everybody or by a group that is not the daemon's own, "
        "or others than its owner can write to it.",
        "Who reads it can make tokens for anybody.",
        "chmod 600 FILE, and give it to the daemon's user.",
        Frame::file,
R"(token web {
    keys = file "keys/open.jwks"
    from header "Authorization"
}
route r /r { auth = web origins = { none } })",
R"(token web {
    keys = file "keys/app.jwks"
    from header "Authorization"
}
route r /r { auth = web origins = { none } })"},
    Check{"E018", "claim-mismatch", Severity::error,
        "A claim is not the same in all tokens of a route.",
        "Where several tokens admit, a condition may read the claims that all of them declare, with one type.",
        "The condition would mean different things for different users.",
        "Declare the claim in every token alike, or write two routes.",
        Frame::file,
R"(token a { keys = file "keys/app.jwks" from header "Authorization" claim plan : string required }
token b { keys = file "keys/app.jwks" from cookie "sid" }
route r /r {
    auth    = { a, b }
    origins = { "https://app.example.com" }
    allow connect if user.plan == "team"
})",
R"(token a { keys = file "keys/app.jwks" from header "Authorization" claim plan : string required }
token b { keys = file "keys/app.jwks" from cookie "sid" claim plan : string else "free" }
route r /r {
    auth    = { a, b }
    origins = { "https://app.example.com" }
    allow connect if user.plan == "team"
})"},
    Check{"E019", "outcome-out-of-phase", Severity::error,
        "An outcome that cannot happen at that moment.",
        "Before the handshake is over there is a status and no connection to close; afterwards it is the other way "
        "round.",
        "The client would get another answer than the one that is written.",
        "Write `status N` for connect, `close N` or `error \"name\"` for the rest.",
        Frame::route,
R"(deny publish if user.plan == "free" then status 403 because "not in this plan")",
R"(deny publish if user.plan == "free" then close 4403 because "not in this plan")"},
    Check{"E020", "duplicate-setting", Severity::error,
        "A setting stands twice in one block.",
        "A block sets each setting once.",
        "Which one counts would depend on their order.",
        "Take one away.",
        Frame::route,
R"(max_message = 4kb
max_message = 8kb)",
R"(max_message = 8kb)"},
    Check{"E021", "no-origins", Severity::error,
        "A route with a token does not say which pages may use it.",
        "Browsers tell which page opens a WebSocket, and only the server can refuse it.",
        "Any page on the web could use its visitors' connections.",
        "Write `origins = { \"https://app.example.com\" }`; `none` in it admits clients that are no browsers.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r {
    auth    = session
    origins = { "https://app.example.com" }
})"},
    Check{"E022", "incomplete-token", Severity::error,
        "A token lacks its keys, or the place where it is looked for.",
        "A token needs `keys` and at least one `from`; one that a rule names by `with` needs no `from`.",
        "No client could ever be admitted by it.",
        "Write `keys = file \"keys/app.jwks\"` and `from header \"Authorization\"`, or cookie, query, subprotocol.",
        Frame::file,
R"(token web { keys = file "keys/app.jwks" }
route r /r { auth = web origins = { none } })",
R"(token web { keys = file "keys/app.jwks" from header "Authorization" }
route r /r { auth = web origins = { none } })"},
    Check{"E023", "message-never-allowed", Severity::error,
        "No `allow` can let a message of this block pass.",
        "Nothing is permitted until an `allow` says so, and this block has none that could hold.",
        "The block does nothing but look as if the message were possible.",
        "Write `allow` in the block, or leave the block out: a type that no block names is refused anyway.",
        Frame::route,
R"(message chat.say { publish to room/lobby })",
R"(message chat.say {
    allow
    publish to room/lobby
})"},
    Check{"E024", "echo-with-messages", Severity::error,
        "An echo route has messages or channels.",
        "The dialect `echo` sends every message back to its sender and does nothing else.",
        "The rules about messages would never be asked.",
        "Take the dialect or the message blocks away.",
        Frame::file,
R"(route r /r { auth = none dialect = "echo" message a { allow } })",
R"(route r /r { auth = none dialect = "echo" })"},
    Check{"E026", "condition-too-large", Severity::error,
        "A route's conditions are too large.",
        "Definitions are put in where they are used; those that use each other twice double at each step.",
        "Compiling would need more memory and time than a policy is worth.",
        "Write the condition with fewer repetitions, or as a set: `user.sub in { … }`.",
        Frame::file,
R"(let a = tls or host == "a"
let b = a and not a
let c = b or not b
let d = c and not c
let e = d or not d
let f = e and not e
let g = f or not f
let h = g and not g
let i = h or not h
let j = i and not i
let k = j or not j
let l = k and not k
let m = l or not l
let n = m and not m
let o = n or not n
let p = o and not o
let q = p or not p
let r = q and not q
route x /x { auth = none allow connect if r })",
R"(let a = tls or host == "a"
route x /x { auth = none allow connect if a })"},
    Check{"E027", "channel-settings", Severity::error,
        "A setting of a channel needs another one, or excludes it.",
        "`history` and `keep` go together; `acks` needs them; `join_leave` and `presence_grace` need `presence`; `conflate` leaves messages out, which `history` does not, and sends once in its time, as `batch` does. `conflate` also needs `key = required`, so that the last of each key is delivered, or `key = none`, where the channel has one state alone.",
        "What was promised to subscribers could not be kept.",
        "Write what is missing beside it, or take one of the two out.",
        Frame::file,
R"(channel user/:id { acks = user })",
R"(channel user/:id { acks = user  history = 100  keep = 7d })"},
    Check{"E028", "secret-told", Severity::error,
        "A secret claim would be published.",
        "`set` writes a value into a message that others read, and the claim is declared `secret`.",
        "What is secret would be shown to everybody who is subscribed.",
        "Set another claim, such as a name, or take `secret` away.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required secret }
route r /r { auth = session origins = { none } allow connect
    message say { allow set from = user.sub publish to news } })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } allow connect
    message say { allow set from = user.sub publish to news } })"},
    Check{"E029", "set-and-field", Severity::error,
        "A member is set by the server and read as a field.",
        "A field is what the client wrote; what is `set` is the server's, whatever the client wrote.",
        "Rules would ask about a value that nobody gets to read.",
        "Take the field away; rules can ask about what the member is set to.",
        Frame::route,
R"(message say {
    field from : string required
    set from = user.sub
    allow
    publish to news
})",
R"(message say {
    set from = user.sub
    allow
    publish to news
})"},
    Check{"E101", "settings", Severity::error,
        "The settings file cannot be used.",
        "It is missing, not TOML, or a setting in it is unknown or has a wrong value.",
        "The daemon does not start with it, and a reload keeps the old settings.",
        "The message says what is expected; wayleave.toml(5) lists the settings.",
        Frame::settings,
R"(workers = "many"
[[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d")",
R"(workers = 2
[[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d")"},
    Check{"E102", "file-of-settings", Severity::error,
        "A file or directory that the settings name cannot be used.",
        "The directory of static files, or the certificate and key of a listener.",
        "The daemon would not start.",
        "Correct the path, the permissions or the file.",
        Frame::settings,
R"([[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d"
[static]
directory = "nowhere")",
R"([[listen]]
address = "127.0.0.1:8080"
[policy]
directory = "routes.d")"},
};
// clang-format on

}  // namespace

std::span<const Check> more_errors() {
    return rows;
}

}  // namespace wayleave::dsl
