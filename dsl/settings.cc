#include "dsl/settings.h"

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
        "native, or echo, which answers every message with itself."},
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
    SettingRow{"detail", Place::body, boolean, "false", 0, 0,
        "Refusals name the rule's file and line to the client; for development."},

    SettingRow{"max_queue", Place::body, other, "", 0, 0, ""},
    SettingRow{"slow_consumer", Place::body, other, "", 0, 0, ""},
    SettingRow{"max_lifetime", Place::body, other, "", 0, 0, ""},
    SettingRow{"compression", Place::body, other, "", 0, 0, ""},
    SettingRow{"on_policy_change", Place::body, other, "", 0, 0, ""},
    SettingRow{"min_tls", Place::body, other, "", 0, 0, ""},
    SettingRow{"alias_expiry", Place::body, other, "", 0, 0, ""},
    SettingRow{"on_excess", Place::body, other, "", 0, 0, ""},

    SettingRow{"keys", Place::token, keys, "", 0, 0,
        "File with the keys: a JWKS, a PEM public key or certificate, or an HMAC secret. Required."},
    SettingRow{"issuer", Place::token, text, "", 0, 0,
        "The iss that a token must have; not checked when unset."},
    SettingRow{"audience", Place::token, text, "", 0, 0,
        "One of the aud that a token must have; not checked when unset."},
    SettingRow{"algorithms", Place::token, texts, "", 0, 0,
        "Signature algorithms that are accepted; unset, those of the keys."},
    SettingRow{"user", Place::token, text, "\"sub\"", 0, 0,
        "The declared claim that names the user."},

    SettingRow{"check", Place::token, other, "", 0, 0, ""},
    SettingRow{"cache", Place::token, other, "", 0, 0, ""},
    SettingRow{"single_use", Place::token, other, "", 0, 0, ""},
    SettingRow{"max_age", Place::token, other, "", 0, 0, ""},

    SettingRow{"strict", Place::message, boolean, "false", 0, 0,
        "Members that no field declares are refused."},
};

// clang-format on

}  // namespace

std::span<const SettingRow> setting_rows() {
    return rows;
}

const SettingRow* setting_row(Place place, std::string_view name) {
    for (const SettingRow& row : rows) {
        if (row.place == place && row.name == name) return &row;
    }
    return nullptr;
}

}  // namespace wayleave::dsl
