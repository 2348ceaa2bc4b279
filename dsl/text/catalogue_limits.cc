// Warnings W2xx, and W3xx about origins.
#include <array>

#include "dsl/text/catalogue.h"

namespace wayleave::dsl {
namespace {

// clang-format off
constexpr std::array rows{
    Check{"W201", "no-message-limit", Severity::warning,
        "Clients may send as fast as they can.",
        "The route lets clients publish or send messages, and has no `limit messages`.",
        "One client in a loop fills the queues of all others.",
        "Write `limit messages to 10/s per connection`, or per user.sub.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } allow connect allow publish on a/b limit connections to 5 per user.sub })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r {
    auth    = session
    origins = { none }
    allow connect
    allow publish on a/b
    limit connections to 5 per user.sub
    limit messages to 10/s per user.sub
})"},
    Check{"W202", "no-connection-limit", Severity::warning,
        "One client may take all connections.",
        "The route has no `limit connections`.",
        "The daemon has a bound for all together; one user or address can reach it alone.",
        "Write `limit connections to 5 per user.sub`, on a public route per ip.",
        Frame::file,
R"(route r /r { auth = none allow connect })",
R"(route r /r {
    auth = none
    allow connect
    limit connections to 20 per ip
})"},
    Check{"W203", "limit-never-binds", Severity::warning,
        "A limit that is never reached, or not as it is meant.",
        "Another limit is always reached before it; or its burst is smaller than what its rate lets pass in one "
        "second.",
        "The number that is written is not the one that counts.",
        "Take it away, make it tighter, or leave `burst` out.",
        Frame::route,
R"(limit messages to 20/s per connection)",
R"(limit messages to 2/s per connection)"},
    Check{"W204", "attacker-chosen-key", Severity::warning,
        "The client chooses what it is counted by.",
        "The key of a limit is an input, a capture, a field of the message, or another value that the client makes "
        "up.",
        "Each new value starts a new count, so there is no limit.",
        "Count by user, ip, subnet or connection, or add such a limit beside it.",
        Frame::file,
R"(route r /r {
    auth = none
    allow connect
    input agent : string from header "User-Agent" else ""
    limit connections to 5 per agent
})",
R"(route r /r {
    auth = none
    allow connect
    limit connections to 5 per ip
})"},
    Check{"W205", "huge-messages", Severity::warning,
        "Messages of more than 1mb are accepted.",
        "A message is kept whole in memory, and once more for each subscriber that is slow.",
        "A few clients can fill the memory.",
        "The default is 64kb. Send large things by HTTP and a link to them here.",
        Frame::route,
R"(max_message = 8mb)",
R"(max_message = 256kb)"},
    Check{"W206", "no-idle-timeout", Severity::warning,
        "Clients that vanish without a word stay for ever.",
        "`idle_timeout = 0s` turns off the only check that a peer is still there.",
        "Phones that lose their network leave connections behind, until none is free.",
        "Leave it out: the default is 60s, and pings keep quiet clients alive.",
        Frame::route,
R"(idle_timeout = 0s)",
R"(idle_timeout = 90s)"},
    Check{"W207", "limit-by-proxy-ip", Severity::warning,
        "Behind a proxy all clients have one address.",
        "A limit counts per ip or subnet; every listener is on loopback, so a proxy stands before it, and none is "
        "trusted to tell the client's address.",
        "All clients share one count, and are locked out together.",
        "Count per user or connection. Where there is no proxy, say so in a suppression.",
        Frame::route,
R"(limit connects to 20/s per ip)",
R"(limit messages to 20/m per user.sub)"},
    Check{"W208", "ping-after-timeout", Severity::warning,
        "Quiet clients are closed before they are asked for a pong.",
        "`ping_every` is not less than `idle_timeout`.",
        "Healthy connections end whenever their user is silent.",
        "Make `ping_every` less than half of `idle_timeout`.",
        Frame::route,
R"(ping_every = 60s)",
R"(ping_every = 20s
idle_timeout = 60s)"},
    Check{"W301", "any-origin", Severity::warning,
        "Any page may connect to a route with a token.",
        "`origins = any` admits pages of everybody.",
        "A page that gets hold of a token can use it.",
        "List the origins of your own pages; `none` admits programs.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = any })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { none } })"},
    Check{"W302", "origin-typo", Severity::warning,
        "An origin that no browser sends, or one that undoes another.",
        "An origin is scheme://host or scheme://host:port in lower case, with nothing behind it. One with http beside "
        "the same with https opens the door to anybody on the way.",
        "Pages that should connect cannot, or others can.",
        "Correct it, or take the http one away.",
        Frame::file,
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { "https://app.example.com/" } })",
R"(token session { keys = file "keys/app.jwks" from header "Authorization" claim sub : string required }
route r /r { auth = session origins = { "https://app.example.com" } })"},
};
// clang-format on

}  // namespace

std::span<const Check> limit_warnings() {
    return rows;
}

}  // namespace wayleave::dsl
