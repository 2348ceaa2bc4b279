#include "daemon/identity/verify.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/base/json_text.h"
#include "daemon/identity/base64url.h"
#include "daemon/protocol/http_head.h"

namespace wayleave {

namespace {

constexpr size_t max_header_members = 16;

struct Envelope {
    std::string_view header, payload, signature;  // as base64url
    std::string_view signed_part;                 // header.payload, what the signature is over
};

struct Header {
    Algorithm algorithm = Algorithm::HS256;
    std::optional<std::string> kid;
};

std::optional<Envelope> split(std::string_view token) {
    const size_t first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const size_t second = token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
        return std::nullopt;
    }
    return Envelope{token.substr(0, first), token.substr(first + 1, second - first - 1),
                    token.substr(second + 1), token.substr(0, second)};
}

// What changes the meaning of the rest. We know no extension, so whatever is critical is too much (RFC 7515,
// section 4.1.11); a payload that is not base64url would have to be critical (RFC 7797, section 6); zip and
// enc are of encrypted tokens. Everything else is read past, above all what would let the sender choose the
// key: jwk, jku, x5c and x5u.
bool is_refused_member(std::string_view name, const simdjson::dom::element& value) {
    bool encoded = false;
    if (name == "b64") return value.get(encoded) != simdjson::SUCCESS || !encoded;
    return name == "crit" || name == "zip" || name == "enc";
}

std::optional<TokenError> check_members(const simdjson::dom::object& object) {
    if (object.size() > max_header_members) return TokenError::malformed;
    std::array<std::string_view, max_header_members> seen;
    size_t count = 0;
    for (const auto field : object) {
        const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
        if (std::find(seen.begin(), end, field.key) != end) return TokenError::duplicate;
        if (is_refused_member(field.key, field.value)) return TokenError::header;
        seen.at(count++) = field.key;
    }
    return std::nullopt;
}

std::optional<TokenError> read_algorithm(const simdjson::dom::object& object,
                                         std::span<const Algorithm> allowed, Header& header) {
    std::string_view name;
    if (object["alg"].get(name) != simdjson::SUCCESS) return TokenError::algorithm;
    const auto algorithm = algorithm_from(name);
    if (!algorithm || std::find(allowed.begin(), allowed.end(), *algorithm) == allowed.end()) {
        return TokenError::algorithm;
    }
    header.algorithm = *algorithm;
    return std::nullopt;
}

std::optional<TokenError> read_type(const simdjson::dom::object& object) {
    const auto member = object["typ"];
    if (member.error() == simdjson::NO_SUCH_FIELD) return std::nullopt;
    std::string_view type;
    if (member.get(type) != simdjson::SUCCESS) return TokenError::type;
    // A media type, of which "application/" may be left out (RFC 7515, section 4.1.9).
    constexpr std::string_view prefix = "application/";
    if (same_ignoring_case(type.substr(0, prefix.size()), prefix)) type.remove_prefix(prefix.size());
    if (!same_ignoring_case(type, "JWT") && !same_ignoring_case(type, "at+jwt")) return TokenError::type;
    return std::nullopt;
}

std::optional<TokenError> read_kid(const simdjson::dom::object& object, Header& header) {
    const auto member = object["kid"];
    if (member.error() == simdjson::NO_SUCH_FIELD) return std::nullopt;
    std::string_view kid;
    if (member.get(kid) != simdjson::SUCCESS) return TokenError::malformed;
    header.kid = std::string(kid);
    return std::nullopt;
}

Result<Header, TokenError> read_header(std::string_view segment, std::span<const Algorithm> allowed) {
    const auto json = decode_base64url(segment);
    if (!json) return failure(TokenError::malformed);
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object object;
    if (parse_json(parser, *json, root) != simdjson::SUCCESS || root.get(object) != simdjson::SUCCESS)
        return failure(TokenError::malformed);

    Header header;
    if (auto error = check_members(object)) return failure(*error);
    if (auto error = read_type(object)) return failure(*error);
    if (auto error = read_algorithm(object, allowed, header)) return failure(*error);
    if (auto error = read_kid(object, header)) return failure(*error);
    return header;
}

// Keys of one kid are alternatives, for one algorithm or for several (RFC 7517, section 4.5). A set without
// kids does not care for the token's.
Result<uint64_t, TokenError> find_key(const KeySet& keys, const Header& header, std::string_view data,
                                      std::string_view signature) {
    const auto named = [&](const VerifyKey& key) { return !key.kid().empty() && key.kid() == *header.kid; };
    const bool by_kid = header.kid && keys.has_kids();
    if (by_kid && std::none_of(keys.keys().begin(), keys.keys().end(), named))
        return failure(TokenError::unknown_key);
    size_t tried = 0;
    for (const auto& key : keys.keys()) {
        if (key.algorithm() != header.algorithm) continue;
        if (by_kid && !named(key)) continue;
        if (key.matches(data, signature)) return key.mark();
        if (++tried == max_keys_tried) break;
    }
    return failure(tried == 0 ? TokenError::algorithm : TokenError::signature);
}

}  // namespace

std::string_view to_string(TokenError error) {
    switch (error) {
        case TokenError::too_long: return "The token is longer than 8192 bytes.";
        case TokenError::malformed: return "The token is not a well-formed compact JWS.";
        case TokenError::duplicate: return "The token's header has a member twice.";
        case TokenError::header: return "The token's header has a member that is not accepted.";
        case TokenError::type: return "The token's type is neither JWT nor at+jwt.";
        case TokenError::algorithm: return "The token's algorithm is not allowed or not the key's.";
        case TokenError::unknown_key: return "The token names a key that is not in the key set.";
        case TokenError::signature: return "The token's signature does not match.";
    }
    return "The token is not valid.";
}

Result<SignedPayload, TokenError> verify_signature(const KeySet& keys, std::span<const Algorithm> allowed,
                                                   std::string_view compact_jws) {
    if (compact_jws.size() > max_token_bytes) return failure(TokenError::too_long);
    const auto envelope = split(compact_jws);
    if (!envelope || envelope->header.empty() || envelope->payload.empty())
        return failure(TokenError::malformed);
    const auto header = read_header(envelope->header, allowed);
    if (!header) return failure(header.error());
    auto payload = decode_base64url(envelope->payload);
    const auto signature = decode_base64url(envelope->signature);
    if (!payload || !signature) return failure(TokenError::malformed);
    if (signature->empty()) return failure(TokenError::signature);

    const auto key = find_key(keys, *header, envelope->signed_part, *signature);
    if (!key) return failure(key.error());
    return SignedPayload{std::move(*payload), *key};
}

}  // namespace wayleave
