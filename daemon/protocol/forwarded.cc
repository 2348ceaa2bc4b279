#include "daemon/protocol/forwarded.h"

#include <algorithm>
#include <optional>
#include <string>

namespace wayleave {
namespace {

// One proxy's word about whom it heard.
struct Hop {
    std::optional<dsl::Address> ip;
    std::optional<bool> tls;
};

// RFC 4007 11: "fe80::1%eth0".
std::optional<dsl::Address> v6_address(std::string_view text) {
    const size_t zone = text.find('%');
    if (text.find(':') == std::string_view::npos || zone + 1 == text.size()) return std::nullopt;
    return dsl::parse_address(text.substr(0, zone));
}

// "192.0.2.1", "192.0.2.1:1234", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:1234".
std::optional<dsl::Address> node_address(std::string_view text) {
    const auto is_port = [](std::string_view port) {
        return !port.empty() && port.size() <= 5 &&
               std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    if (text.starts_with('[')) {
        const size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && (rest[0] != ':' || !is_port(rest.substr(1)))) return std::nullopt;
        return v6_address(text.substr(1, end - 1));
    }
    const size_t colon = text.find(':');
    const bool port = colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
    if (port && !is_port(text.substr(colon + 1))) return std::nullopt;
    if (colon != std::string_view::npos && !port) return v6_address(text);
    return dsl::parse_address(port ? text.substr(0, colon) : text);
}

// Splits outside of quotes (RFC 9110 5.6.4). False when a quote never ends.
bool split(std::string_view text, char separator, std::vector<std::string_view>& out) {
    bool quoted = false;
    size_t from = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && text[i] == separator) {
            out.push_back(trim(text.substr(from, i - from)));
            from = i + 1;
        }
    }
    out.push_back(trim(text.substr(from)));
    return !quoted;
}

// A token, or a quoted string without its quotes and escapes.
std::optional<std::string> unquoted(std::string_view text) {
    if (!text.starts_with('"')) return is_token(text) ? std::optional(std::string(text)) : std::nullopt;
    if (text.size() < 2 || !text.ends_with('"')) return std::nullopt;
    std::string out;
    for (size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == '\\') ++i;
        out += text[i];
    }
    return out;
}

bool is_secure(std::string_view scheme) {
    return same_ignoring_case(scheme, "https") || same_ignoring_case(scheme, "wss");
}

// for="[2001:db8::1]:4711";proto=https;by=203.0.113.43
Hop forwarded_hop(std::string_view element) {
    Hop hop;
    bool seen_for = false;
    std::vector<std::string_view> pairs;
    if (!split(element, ';', pairs)) return {};
    for (const std::string_view pair : pairs) {
        const size_t equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view name = pair.substr(0, equals);
        const auto value = unquoted(pair.substr(equals + 1));
        if (same_ignoring_case(name, "for")) {
            if (seen_for || !value) return {};  // twice says nothing
            seen_for = true;
            hop.ip = node_address(*value);
        } else if (same_ignoring_case(name, "proto") && value) {
            hop.tls = is_secure(*value);
        }
    }
    return hop;
}

bool is_escaped(std::string_view text, size_t at) {
    size_t backslashes = 0;
    while (backslashes < at && text[at - 1 - backslashes] == '\\') ++backslashes;
    return backslashes % 2 == 1;
}

// The last first. It was written by the nearest hop; nothing to its left, not even a quote that never
// ends, can change how it is read.
std::vector<std::string_view> elements_from_the_right(std::string_view text, bool with_quotes) {
    std::vector<std::string_view> out;
    bool quoted = false;
    size_t end = text.size();
    for (size_t i = text.size(); i-- > 0;) {
        if (with_quotes && text[i] == '"' && !is_escaped(text, i)) {
            quoted = !quoted;
        } else if (text[i] == ',' && !quoted) {
            out.push_back(trim(text.substr(i + 1, end - i - 1)));
            end = i;
        }
    }
    out.push_back(trim(text.substr(0, end)));
    return out;
}

// The nearest first. All fields of that name are one list, in their order (RFC 9110 5.3).
std::vector<Hop> hops(const HttpHead& head, ForwardedHeader header) {
    const bool standard = header == ForwardedHeader::forwarded;
    const std::string_view name = standard ? "forwarded" : "x-forwarded-for";
    std::vector<Hop> out;
    for (auto field = head.fields.rbegin(); field != head.fields.rend(); ++field) {
        if (!same_ignoring_case(field->name, name)) continue;
        for (const std::string_view element : elements_from_the_right(field->value, standard))
            out.push_back(standard ? forwarded_hop(element) : Hop{node_address(element), std::nullopt});
    }
    return out;
}

// X-Forwarded-Proto. A list would be of several proxies, and nobody says who wrote which.
std::optional<bool> tls_of_proxy(const HttpHead& head) {
    std::optional<std::string_view> scheme;
    for (const auto& field : head.fields) {
        if (!same_ignoring_case(field.name, "x-forwarded-proto")) continue;
        if (scheme) return std::nullopt;
        scheme = field.value;
    }
    if (!scheme) return std::nullopt;
    if (is_secure(*scheme)) return true;
    if (same_ignoring_case(*scheme, "http") || same_ignoring_case(*scheme, "ws")) return false;
    return std::nullopt;
}

}  // namespace

bool ProxyTrust::trusts(const dsl::Address& address) const {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const dsl::Net& net) { return net.contains(address); });
}

Origination client_behind(const Origination& peer, const HttpHead& head, const ProxyTrust& trust) {
    Origination client = peer;
    if (trust.header == ForwardedHeader::none || !trust.trusts_peer(peer.ip, peer.unix_socket)) return client;
    if (trust.proto) client.tls = tls_of_proxy(head).value_or(client.tls);
    for (const Hop& hop : hops(head, trust.header)) {
        if (!hop.ip) {
            client.ip = {};
            client.unix_socket = false;
            client.unknown = true;
            break;
        }
        client.ip = *hop.ip;
        client.unix_socket = false;
        if (hop.tls) client.tls = *hop.tls;
        if (!trust.trusts(client.ip)) break;
    }
    return client;
}

}  // namespace wayleave
