#include "daemon/session/native.h"

#include <charconv>

#include "daemon/base/json_writer.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr int64_t reconnect_max_ms = 30'000;

void append_position(std::string& out, Position position) {
    if (position.epoch == 0) return;
    out += ",\"epoch\":\"" + epoch_text(position.epoch) + "\",\"offset\":" + std::to_string(position.offset);
}

void append_recovered(std::string& out, std::optional<bool> recovered) {
    if (recovered) out += *recovered ? ",\"recovered\":true" : ",\"recovered\":false";
}

void append_re(std::string& out, std::string_view re) {
    if (!re.empty()) out.append(",\"re\":").append(re);
}

void append_acks(std::string& out, bool acks) {
    if (acks) out += ",\"acks\":true";
}

// In seconds, as the `exp` of a token. Rather a moment too early than too late.
void append_expires(std::string& out, int64_t expires_ms) {
    if (expires_ms > 0) out += ",\"expires\":" + std::to_string(expires_ms / 1000);
}

}  // namespace

std::string session_text(uint64_t number) {
    return dsl::hex_text(number);
}

std::optional<uint64_t> parse_session(std::string_view text) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    const bool whole = text.size() == 16 && error == std::errc{} && end == text.data() + text.size();
    return whole && text == session_text(number) ? std::optional(number) : std::nullopt;
}

std::string hello_text(const Hello& hello) {
    constexpr size_t usual = 256;
    std::string out;
    out.reserve(usual);
    out.append(R"({"type":"$hello","session":")").append(session_text(hello.session)).append(R"(","user":)");
    if (hello.user.empty()) {
        out += "null";
    } else {
        append_json(out, hello.user);
    }
    out += ",\"ping_every\":" + std::to_string(hello.ping_every_ms);
    out += ",\"max_message\":" + std::to_string(hello.max_message);
    out += ",\"channels\":[";
    for (size_t i = 0; i < hello.channels.size(); ++i) {
        out += i == 0 ? "{\"channel\":" : ",{\"channel\":";
        const Hello::Joined& joined = hello.channels[i];
        append_json(out, joined.channel);
        append_position(out, joined.position);
        append_recovered(out, joined.recovered);
        append_acks(out, joined.acks);
        out += '}';
    }
    out += "],\"reconnect\":{\"min\":" + std::to_string(reconnect_min_ms) +
           ",\"max\":" + std::to_string(reconnect_max_ms) + "}";
    append_expires(out, hello.expires_ms);
    return out += '}';
}

std::string ok_text(std::string_view re) {
    std::string out = "{\"type\":\"$ok\"";
    append_re(out, re);
    return out += '}';
}

std::string ok_text(std::string_view re, int64_t expires_ms) {
    std::string out = ok_text(re);
    out.pop_back();
    append_expires(out, expires_ms);
    return out += '}';
}

std::string ok_text(std::string_view re, Position position, bool duplicate) {
    std::string out = ok_text(re);
    out.pop_back();
    append_position(out, position);
    if (duplicate) out += ",\"duplicate\":true";
    return out += '}';
}

std::string ok_text(std::string_view re, std::string_view data) {
    std::string out = ok_text(re);
    out.back() = ',';
    return out.append("\"data\":").append(data).append("}");
}

std::string reply_text(std::string_view re, std::string_view members) {
    std::string out = "{" + std::string(members);
    append_re(out, re);
    return out += '}';
}

std::string history_data(const Page& page) {
    std::string out = "{\"epoch\":\"" + epoch_text(page.top.epoch);
    out += "\",\"offset\":" + std::to_string(page.top.offset);
    append_recovered(out, page.recovered);
    out += page.more ? ",\"more\":true" : ",\"more\":false";
    out += ",\"messages\":[";
    for (size_t i = 0; i < page.messages.size(); ++i) {
        if (i > 0) out += ',';
        out += page.messages[i]->frame.payload();
    }
    return out += "]}";
}

std::string presence_data(const Roster& roster) {
    std::string out = "{\"users\":[";
    for (size_t i = 0; i < roster.users.size(); ++i) {
        out += i == 0 ? "{\"user\":" : ",{\"user\":";
        append_json(out, roster.users[i].user);
        out += ",\"connections\":" + std::to_string(roster.users[i].connections) + "}";
    }
    return out += "],\"total\":" + std::to_string(roster.total) +
                  ",\"anonymous\":" + std::to_string(roster.anonymous) + "}";
}

std::string pong_text(std::string_view re) {
    std::string out = "{\"type\":\"$pong\"";
    append_re(out, re);
    return out += '}';
}

std::string error_text(std::string_view re, std::string_view error, const Rejection& rejection, bool detail,
                       std::string_view channel) {
    std::string out = "{\"type\":\"$error\"";
    append_re(out, re);
    if (!channel.empty()) {
        out += ",\"channel\":";
        append_json(out, channel);
    }
    out += ",\"error\":";
    append_json(out, error);
    if (!rejection.because.empty()) {
        out += ",\"because\":";
        append_json(out, rejection.because);
    }
    if (detail && !rejection.rule.empty()) {
        out += ",\"rule\":";
        append_json(out, rejection.rule);
    }
    if (detail && !rejection.decision.empty()) {
        out += ",\"decision\":";
        append_json(out, rejection.decision);
    }
    if (rejection.retry_after_ms > 0) out += ",\"retry_after\":" + std::to_string(rejection.retry_after_ms);
    return out += '}';
}

std::string subscribed_text(std::string_view re, const Subscribed& subscribed) {
    std::string out = "{\"type\":\"$subscribed\"";
    append_re(out, re);
    out += ",\"channel\":";
    append_json(out, subscribed.channel);
    append_position(out, subscribed.position);
    append_recovered(out, subscribed.recovered);
    append_expires(out, subscribed.expires_ms);
    append_acks(out, subscribed.acks);
    return out += '}';
}

std::string unsubscribed_text(std::string_view re, std::string_view channel) {
    std::string out = "{\"type\":\"$unsubscribed\"";
    append_re(out, re);
    out += ",\"channel\":";
    append_json(out, channel);
    return out += '}';
}

std::string unsubscribed_text(std::string_view channel, std::string_view reason, std::string_view because) {
    std::string out = "{\"type\":\"$unsubscribed\",\"channel\":";
    append_json(out, channel);
    out += ",\"reason\":";
    append_json(out, reason);
    if (!because.empty()) {
        out += ",\"because\":";
        append_json(out, because);
    }
    return out += '}';
}

std::string dropped_text(uint64_t messages) {
    return "{\"type\":\"$dropped\",\"messages\":" + std::to_string(messages) +
           ",\"because\":\"this connection reads too slowly\"}";
}

std::string bye_text(const Farewell& farewell) {
    std::string out = "{\"type\":\"$bye\",\"code\":" + std::to_string(farewell.code) + ",\"reason\":";
    append_json(out, farewell.reason);
    if (!farewell.because.empty()) {
        out += ",\"because\":";
        append_json(out, farewell.because);
    }
    out += ",\"reconnect\":";
    out +=
        farewell.reconnect_ms < 0 ? "false" : "{\"after_ms\":" + std::to_string(farewell.reconnect_ms) + "}";
    if (farewell.renew) out += ",\"renew\":true";
    return out += '}';
}

}  // namespace wayleave
