// Warnings W3xx and W4xx: who gets in, and what people should know.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"W304", "token-in-url", Severity::warning,
        "A token in an address ends in logs.",
        "`from query` takes it from the URL.",
        "Proxies, browsers and error reports keep addresses; who reads them can connect.",
        "Use a header, a cookie or a subprotocol.",
        Frame::file,
R"(token web { keys = file "keys/app.jwks" from query "token" }
route r /r { auth = web origins = { none } })",
R"(token web { keys = file "keys/app.jwks" from subprotocol "app.v1" }
route r /r { auth = web origins = { none } })"},
    Check{"W305", "outlives-token", Severity::warning,
        "A connection keeps the permissions of the day it was made.",
        "`on_policy_change = keep` without `max_lifetime`.",
        "What was withdrawn stays permitted to those who are connected.",
        "Set `max_lifetime`.",
        Frame::route,
R"(on_policy_change = keep)",
R"(on_policy_change = keep
max_lifetime = 8h)"},
    Check{"W306", "wide-subscribe", Severity::warning,
        "Every client may read every channel.",
        "`allow subscribe` without channels, or on `**`, and without a condition.",
        "Also those of other users and tenants, and those that come later.",
        "Name the channels: `allow subscribe on room/:room`.",
        Frame::route,
R"(allow subscribe)",
R"(allow subscribe on room/:room)"},
    Check{"W307", "anonymous-publish", Severity::warning,
        "Anybody may publish, unknown to you.",
        "The route has `auth = none`, and clients may publish.",
        "Nobody can be told to stop.",
        "Name a token in `auth`, or let only your server publish.",
        Frame::file,
R"(route r /r { auth = none allow connect allow publish on wall })",
R"(route r /r { auth = none allow connect allow subscribe on wall })"},
    Check{"W308", "literal-secret", Severity::warning,
        "A text looks like a key or a token.",
        "It has the form of a JWT, a private key or a service's key, or looks like random base64.",
        "Policies are read by many and kept in version control.",
        "Keep secrets in files of their own.",
        Frame::route,
R"(deny connect if user.sub == "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl" because "no")",
R"(deny connect if user.sub == "mallory" because "no")"},
    Check{"W309", "detailed-errors", Severity::warning,
        "Refusals tell everybody the file and line of your rules.",
        "`detail = true`, and a listener can be reached from other machines.",
        "It shows an attacker which rule to go round.",
        "For development only: leave it out.",
        Frame::route,
R"(detail = true)",
R"(detail = false)"},
    Check{"W310", "compression-unbounded", Severity::warning,
        "A small compressed message may become a large one.",
        "`compression = true` without a `max_message` of its own.",
        "The bound counts after decompression, but the work is done before.",
        "Set `max_message` to what your messages need.",
        Frame::route,
R"(compression = true)",
R"(compression = true
max_message = 16kb)"},
    Check{"W311", "alias-end", Severity::warning,
        "An alias without an end, or past it.",
        "`until` says when an old address goes. After that day it still works, and is counted.",
        "Old doors that nobody watches stay open.",
        "Write `until` and a date; when it is past, take the alias away.",
        Frame::route,
R"(alias /old until 2020-01-01)",
R"(alias /old until 2999-12-31)"},
    Check{"W312", "public-echo", Severity::warning,
        "An echo route can be reached from other machines.",
        "The dialect `echo` sends everybody back what he sends.",
        "It is for tests; in public it is a tool for others.",
        "Keep echo routes to a daemon on loopback.",
        Frame::file,
R"(route r /r { auth = none dialect = "echo" })",
R"(route r /r { auth = none })"},
    Check{"W313", "wide-publish", Severity::warning,
        "Every client may publish to every channel.",
        "`allow publish` without channels, or on `**`, and without a condition.",
        "Also to those of other users and of your servers, in the name of anybody.",
        "Name the channels, or write a `message` block that says what may be sent.",
        Frame::route,
R"(allow publish)",
R"(allow publish on room/:room)"},
    Check{"W314", "cookie-without-origin", Severity::warning,
        "A client without Origin may connect with a cookie.",
        "`origins` holds `none`, and a token of the route comes from a cookie.",
        "A page can make its visitor's browser send a request with cookies and without Origin. Newer browsers say "
        "whose page it was, and are refused; older ones open an event stream as their user.",
        "Take `none` out. Programs can show a header, on a route of their own.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from cookie "sid" claim sub : string required }
route r /r { auth = session origins = { "https://app.example.com", none } })",
R"(token session { keys = file "keys/app.jwks" from cookie "sid" claim sub : string required }
route r /r { auth = session origins = { "https://app.example.com" } })"},
    Check{"W315", "grant-for-anybody", Severity::warning,
        "A grant is good for whoever shows it.",
        "A rule takes a token `with` a subscription on a route with `auth`, and compares none of its claims with one "
        "of the user's.",
        "Tokens are copied: into logs, into chats, from a page that was left open. A grant that names its user is "
        "worth nothing to another.",
        "Compare a claim: `if grant.sub == user.sub`. A token with `single_use = true` is not told of.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
token grant { keys = file "keys/app.jwks" claim room : string required }
route r /r {
    auth = session
    origins = { "https://app.example.com" }
    allow subscribe on room/:room with grant if grant.room == room
})",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
token grant { keys = file "keys/app.jwks" claim sub : string required claim room : string required }
route r /r {
    auth = session
    origins = { "https://app.example.com" }
    allow subscribe on room/:room with grant if grant.room == room and grant.sub == user.sub
})"},
    Check{"W316", "grant-for-any-channel", Severity::warning,
        "A grant says nothing about the channel.",
        "A rule takes a token `with` subscriptions to many channels, and compares none of its claims with the channel.",
        "Who has a grant for one of these channels has one for all of them.",
        "Compare a claim with the channel, or insert it: `on room/{grant.room} with grant`.",
        Frame::file,
R"(token grant { keys = file "keys/app.jwks" claim level : int required }
route r /r { auth = none allow subscribe on room/* with grant if grant.level > 3 })",
R"(token grant { keys = file "keys/app.jwks" claim room : string required }
route r /r { auth = none allow subscribe on room/{grant.room} with grant })"},
    Check{"W317", "grant-as-identity", Severity::warning,
        "A grant could be brought to the door, and be somebody.",
        "A token of `with` and one of `auth` have the same keys, and what the second asks for the first has, too.",
        "Grants are handed about more freely than a session's token. One that leaks would open the connection of its user.",
        "Sign them with another key, or let `audience` tell them apart.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
token grant { keys = file "keys/app.jwks" claim sub : string required claim room : string required }
route r /r {
    auth = session
    origins = { "https://app.example.com" }
    allow subscribe on room/{grant.room} with grant if grant.sub == user.sub
})",
R"(token session { keys = file "keys/app.jwks" audience = "door" from header "Authorization" claim sub : string required }
token grant { keys = file "keys/app.jwks" audience = "rooms" claim sub : string required claim room : string required }
route r /r {
    auth = session
    origins = { "https://app.example.com" }
    allow subscribe on room/{grant.room} with grant if grant.sub == user.sub
})"},
    Check{"W318", "unsigned-backend", Severity::warning,
        "A backend on another machine believes whoever reaches it.",
        "What is forwarded or told to it, or asked by `by`, says who the user is, and is not signed; nor is a question of `check`.",
        "Who reaches the backend past wayleave speaks in anybody's name, or tries credentials as often as he likes.",
        "Give the backend a `sign`, and let it check the signatures.",
        Frame::file,
R"(backend app { url = "https://app.example.com" }
route r /r { auth = none message form { allow forward to app "/forms" } })",
R"(backend app { url = "https://app.example.com" sign = file "keys/app.whsec" }
route r /r { auth = none message form { allow forward to app "/forms" } })"},
    Check{"W319", "unknown-client", Severity::warning,
        "A stream whose backend is not told who the client is.",
        "The route's clients show a token, and the stream's backend is sent neither a cookie nor a signed identity.",
        "The backend refuses everybody, or lets everybody in as nobody.",
        "Name the session's cookie in `pass_cookies`, or give the backend a `sign`.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" audience = "door" from cookie "session" claim sub : string required }
backend app { url = "http://127.0.0.1:8000" }
route r /r { auth = session origins = { "https://app.example.com" } allow connect stream tasks to app "/ws/tasks/" })",
R"(token session { keys = file "keys/app.jwks" audience = "door" from cookie "session" claim sub : string required }
backend app { url = "http://127.0.0.1:8000" pass_cookies = { "sessionid" } }
route r /r { auth = session origins = { "https://app.example.com" } allow connect stream tasks to app "/ws/tasks/" })"},
    Check{"W401", "untested", Severity::warning,
        "No test reaches a route or rule.",
        "A policy that has `test` blocks tests all of its routes and rules.",
        "Nobody will notice when it decides otherwise one day.",
        "Write a `test`.",
        Frame::file,
R"(route r /r {
    auth = none
    allow connect
    deny connect if host == "old.example.com" because "moved"
}
test "everybody connects" { expect allow connect "app.example.com/r" })",
R"(route r /r {
    auth = none
    allow connect
    deny connect if host == "old.example.com" because "moved"
}
test "everybody connects" {
    expect allow connect "app.example.com/r"
    expect deny connect "old.example.com/r" because "moved"
})"},
    Check{"W402", "silent-deny", Severity::warning,
        "Nobody is told why something is denied.",
        "A `deny` without `because`.",
        "The client's developer and the reader of the log have to guess.",
        "End it with `because \"…\"`.",
        Frame::route,
R"(deny connect if user.plan == "free")",
R"(deny connect if user.plan == "free" because "not in this plan")"},
    Check{"W403", "public-route", Severity::warning,
        "Everybody may use a route.",
        "It has `auth = none`.",
        "That is right for few routes, and each should be known.",
        "Name a token; or say why it is meant: # lint: ignore W403 because \"…\"",
        Frame::file,
R"(route status /status { auth = none allow connect })",
R"(# lint: ignore W403 because "the status page is public"
route status /status { auth = none allow connect })"},
    Check{"W404", "bad-suppression", Severity::warning,
        "A comment asks lint for something that it cannot do.",
        "It gives no reason, names no check that exists, or wants to ignore an error.",
        "Nothing is suppressed by it, though it looks so.",
        "Write `# lint: ignore W301 because \"why it is right here\"` above the statement.",
        Frame::route,
R"(# lint: ignore W205
max_message = 8mb)",
R"(# lint: ignore W205 because "pictures of the plant, ten users"
max_message = 8mb)"},
};
// clang-format on

}  // namespace

std::span<const Check> door_warnings() {
    return rows;
}

}  // namespace wayleave::dsl
