#include "dsl/policy/settings.h"

#include <array>

namespace wayleave::dsl {
namespace {

using enum SettingForm;

constexpr int64_t day = 24LL * 3600 * 1000;

// clang-format off
constexpr std::array rows{
    SettingRow{"auth", Place::body, names, "", 0, 0,
        "Tokens that admit a client, any of them; none means public. Required."},
    SettingRow{"origins", Place::body, origins, "", 0, 0,
        "Origins of pages that may connect; none admits clients that send no Origin. Required with auth."},
    SettingRow{"subprotocols", Place::body, texts, "{}", 0, 0,
        "Subprotocols of the application; the first that the client offers is answered."},
    SettingRow{"dialect", Place::body, word, "\"native\"", 0, 0,
        "native, or echo, which answers every message with itself.", "native echo"},
    SettingRow{"max_message", Place::body, size, "64kb", 1, 64LL << 20,
        "Largest message a client may send."},
    SettingRow{"max_fragments", Place::body, integer, "1024", 1, 1'000'000,
        "Most frames of one message."},
    SettingRow{"max_subscriptions", Place::body, integer, "100", 1, 100'000,
        "Most channels a client may be subscribed to at a time, joined ones included."},
    SettingRow{"idle_timeout", Place::body, time, "60s", 0, day,
        "A client that sends nothing for that long, not even a pong, is closed; 0s means never."},
    SettingRow{"ping_every", Place::body, time, "25s", 0, day,
        "How often a quiet client is asked for a pong; 0s means never."},
    SettingRow{"pong_timeout", Place::body, time, "8s", 0, day,
        "A client that answers no ping for that long is closed; 0s means never."},
    SettingRow{"detail", Place::body, boolean, "false", 0, 0,
        "Refusals name the rule's file and line to the client; for development."},

    SettingRow{"max_lifetime", Place::body, time, "0s", 0, 30 * day,
        "A connection is closed after that long, with the advice to come again; 0s means never."},
    SettingRow{"on_policy_change", Place::body, word, "reevaluate", 0, 0,
        "What a reload that changes the route does to its connections.", "reevaluate keep close"},
    SettingRow{"alias_expiry", Place::body, word, "warn", 0, 0,
        "Whether an alias past its date is only counted and warned about, or refused.", "warn refuse"},

    SettingRow{"max_queue", Place::body, size, "", 1024, 1LL << 30,
        "Bytes that may wait for a client that reads slowly."},
    SettingRow{"slow_consumer", Place::body, word, "close", 0, 0,
        "What becomes of a client that reads too slowly.", "close drop newest"},
    SettingRow{"compression", Place::body, boolean, "false", 0, 0,
        "Messages are compressed (permessage-deflate)."},
    SettingRow{"min_tls", Place::body, word, "", 0, 0,
        "The oldest version of TLS that a client may use; unset, a client may also use none.", "1.2 1.3"},

    SettingRow{"keys", Place::token, keys, "", 0, 0,
        "File or URL with the keys: a JWKS; in a file also a PEM public key or certificate, or an HMAC secret. Required."},
    SettingRow{"issuer", Place::token, text, "", 0, 0,
        "The iss that a token must have; not checked when unset."},
    SettingRow{"audience", Place::token, text, "", 0, 0,
        "One of the aud that a token must have; not checked when unset."},
    SettingRow{"algorithms", Place::token, texts, "", 0, 0,
        "Signature algorithms that are accepted; unset, those of the keys."},
    SettingRow{"user", Place::token, text, "\"sub\"", 0, 0,
        "The declared claim that names the user."},

    SettingRow{"users", Place::token, text, "", 0, 0,
        "Whose names of users these are. Blocks that say the same name the same people; unset, those of one issuer, or of the same keys."},

    SettingRow{"check", Place::token, backend, "", 0, 0,
        "A backend that turns an opaque cookie or header into claims, instead of keys."},
    SettingRow{"cache", Place::token, time, "0s", 0, day,
        "How long the answer of check is believed."},
    SettingRow{"recheck", Place::token, time, "", 1000, 7 * day,
        "How often check asks again about each connection that is open; unset, never."},
    SettingRow{"exp", Place::token, word, "required", 0, 0,
        "Whether a token must say when it ends. One that need not is good for as long as its key.",
        "required optional"},
    SettingRow{"single_use", Place::token, boolean, "false", 0, 0,
        "A token is accepted once; it must have a jti and an exp."},
    SettingRow{"max_age", Place::token, time, "0s", 0, 30 * day,
        "A token that is older is refused; it must have an iat. 0s: not checked."},

    SettingRow{"url", Place::backend, text, "", 0, 0,
        "Where it is: http://, https://, ws:// or wss://, a host and perhaps a port and a path; or unix: and the path of a socket. Required."},
    SettingRow{"timeout", Place::backend, time, "3s", 1, 300'000,
        "How long an answer may take."},
    SettingRow{"retries", Place::backend, integer, "2", 0, 10,
        "How often a request is tried again that got no answer, or a 5xx."},
    SettingRow{"concurrency", Place::backend, integer, "64", 1, 10'000,
        "Requests at one time; the others wait."},
    SettingRow{"break_after", Place::backend, integer, "5", 1, 1000,
        "After that many failures in a row nothing is sent for a while."},
    SettingRow{"break_for", Place::backend, time, "10s", 100, 3'600'000,
        "How long that while is."},
    SettingRow{"sign", Place::backend, file, "", 0, 0,
        "File with the secrets that requests are signed with; not signed when unset."},
    SettingRow{"pass_cookies", Place::backend, texts, "{}", 0, 0,
        "Cookies of the client that its streams bring to the backend."},
    SettingRow{"body", Place::backend, word, "envelope", 0, 0,
        "Whether a message is sent in an object that says who sent it, or as the client sent it.", "envelope message"},

    SettingRow{"history", Place::channel, integer, "0", 0, 1'000'000,
        "Messages that are kept for those who come again."},
    SettingRow{"keep", Place::channel, time, "0s", 0, 366 * day,
        "How long a message is kept; required with history."},
    SettingRow{"acks", Place::channel, word, "none", 0, 0,
        "user: what a user has not acknowledged is delivered again.", "none user"},
    SettingRow{"presence", Place::channel, boolean, "false", 0, 0,
        "Clients may ask who is subscribed."},
    SettingRow{"join_leave", Place::channel, boolean, "false", 0, 0,
        "Subscribers are told who comes and who goes; needs presence."},
    SettingRow{"presence_grace", Place::channel, time, "5s", 0, 300'000,
        "Who comes back within that time was never gone."},
    SettingRow{"priority", Place::channel, word, "normal", 0, 0,
        "The lane of its messages.", "urgent normal low"},
    SettingRow{"conflate", Place::channel, time, "0s", 0, 60'000,
        "Only the newest message per key within that time is delivered; needs key."},
    SettingRow{"key", Place::channel, word, "", 0, 0,
        "Whether every publication must say which of the channel's states it is, or all of them are one.", "required none"},
    SettingRow{"batch", Place::channel, time, "0s", 0, 10'000,
        "Messages are gathered for that long and sent at once."},
    SettingRow{"dedup", Place::channel, time, "0s", 0, day,
        "A publication with an id that was seen within that time is not delivered again."},
    SettingRow{"slow", Place::channel, word, "", 0, 0,
        "What becomes of a subscriber that reads too slowly; where it is unset, the route's slow_consumer says.", "close drop newest"},
    SettingRow{"max_message", Place::channel, size, "", 1, 64LL << 20,
        "Largest message; the publisher's route has a bound of its own."},
    SettingRow{"max_subscribers", Place::channel, integer, "", 1, 100'000'000,
        "Most subscribers at one time."},

    SettingRow{"ordered", Place::message, boolean, "false", 0, 0,
        "The session's next message that is forwarded waits until the backend has answered."},
    SettingRow{"strict", Place::message, boolean, "false", 0, 0,
        "Members that no field declares are refused."},
};

// clang-format on

}  // namespace

std::span<const SettingRow> setting_rows() {
    return rows;
}

bool has_word(std::string_view words, std::string_view word) {
    while (!words.empty()) {
        const size_t end = words.find(' ');
        if (words.substr(0, end) == word) return true;
        if (end == std::string_view::npos) return false;
        words.remove_prefix(end + 1);
    }
    return false;
}

const SettingRow* setting_row(Place place, std::string_view name) {
    for (const SettingRow& row : rows) {
        if (row.place == place && row.name == name) return &row;
    }
    return nullptr;
}

}  // namespace wayleave::dsl
