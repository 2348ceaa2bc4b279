#include "daemon/identity/jwk.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <initializer_list>
#include <optional>
#include <set>

#include "daemon/base/escape.h"
#include "daemon/base/json_text.h"
#include "daemon/identity/base64url.h"

namespace wayleave {

namespace {

using Object = simdjson::dom::object;

// What makes up a key of each kind, and the algorithm it is good for.
struct KeyShape {
    std::string_view kty;
    std::string_view crv;  // empty if the kind has no curve
    Algorithm algorithm;
    std::initializer_list<std::string_view> public_members;
    std::initializer_list<std::string_view> private_members;
};

const std::array<KeyShape, 4>& shapes() {
    static const std::array<KeyShape, 4> all = {{
        {"oct", "", Algorithm::HS256, {"k"}, {}},
        {"RSA", "", Algorithm::RS256, {"n", "e"}, {"d", "p", "q", "dp", "dq", "qi"}},
        {"EC", "P-256", Algorithm::ES256, {"crv", "x", "y"}, {"d"}},
        {"OKP", "Ed25519", Algorithm::EdDSA, {"crv", "x"}, {"d"}},
    }};
    return all;
}

std::optional<std::string_view> text_member(const Object& key, std::string_view name) {
    std::string_view text;
    if (key[name].get(text) != simdjson::SUCCESS) return std::nullopt;
    return text;
}

bool has_member(const Object& key, std::string_view name) {
    return key[name].error() == simdjson::SUCCESS;
}

// Two parsers that pick a different one of two equal members would see two different keys.
KeyStatus refuse_duplicates(const Object& object) {
    std::set<std::string_view> seen;
    for (const auto field : object) {
        if (!seen.insert(field.key).second) {
            return unusable("a member stands twice", "write each member once");
        }
    }
    return Nothing{};
}

KeyResult<const KeyShape*> shape_of(const Object& key) {
    const auto kty = text_member(key, "kty");
    if (!kty) return unusable("has no \"kty\"", "write RSA, EC, OKP or oct");
    const auto crv = text_member(key, "crv");
    for (const auto& shape : shapes()) {
        if (shape.kty == *kty && (shape.crv.empty() || shape.crv == crv)) return &shape;
    }
    return too_weak("is of a kind or curve that is not supported",
                    "use RSA, EC with P-256, OKP with Ed25519, or oct");
}

KeyStatus check_alg(const Object& key, const KeyShape& shape) {
    if (!has_member(key, "alg") || text_member(key, "alg") == to_string(shape.algorithm)) return Nothing{};
    return unusable("\"alg\" does not suit the key",
                    fmt::format("an {} key is for {}", shape.kty, to_string(shape.algorithm)));
}

KeyStatus check_use(const Object& key) {
    if (has_member(key, "use") && text_member(key, "use") != "sig") {
        return unusable("\"use\" is not \"sig\"", "list only keys for signatures");
    }
    if (!has_member(key, "key_ops")) return Nothing{};
    simdjson::dom::array operations;
    if (key["key_ops"].get(operations) == simdjson::SUCCESS) {
        for (const auto operation : operations) {
            std::string_view name;
            if (operation.get(name) == simdjson::SUCCESS && (name == "verify" || name == "sign"))
                return Nothing{};
        }
    }
    return unusable("\"key_ops\" holds neither \"verify\" nor \"sign\"", "list only keys for signatures");
}

KeyResult<std::string> kid_of(const Object& key) {
    if (!has_member(key, "kid") || text_member(key, "kid") == "") return std::string();
    const auto kid = text_member(key, "kid");
    if (!kid || kid->size() > max_kid_bytes) return unusable("\"kid\" must be a string of at most 256 bytes");
    return std::string(*kid);
}

// Many programs write the padding that RFC 7515 leaves out. It says nothing, so a key has still one spelling.
std::string_view without_padding(std::string_view text) {
    if (text.size() % 4 != 0) return text;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
    return text;
}

bool is_base64url_text(std::string_view text) {
    return !text.empty() && text.find_first_not_of(
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-_") == std::string_view::npos;
}

// What is public has one spelling. Secrets are not decoded for that: no copy of them is left behind.
bool is_sound(std::string_view name, std::string_view text) {
    const bool is_public = name == "n" || name == "e" || name == "x" || name == "y";
    return is_base64url_text(text) && (!is_public || decode_base64url(text).has_value());
}

// Appends `,"name":"text"`; values are base64url or the name of a curve that we know, so nothing needs
// escaping.
KeyStatus append_member(std::string& json, const Object& key, std::string_view name) {
    auto text = text_member(key, name);
    if (text) text = without_padding(*text);
    if (!text || !is_sound(name, *text)) {
        return unusable(fmt::format("\"{}\" is missing or not base64url", name), "export the key again");
    }
    json += fmt::format(",\"{}\":\"{}\"", name, *text);
    return Nothing{};
}

// As much as all members of the key take.
size_t room_for(const Object& key) {
    size_t bytes = 64;
    for (const auto field : key) {
        std::string_view text;
        if (field.value.get(text) == simdjson::SUCCESS) bytes += field.key.size() + text.size() + 16;
    }
    return bytes;
}

KeyStatus build_members(const Object& key, const KeyShape& shape, Jwk& jwk) {
    std::string json = fmt::format("{{\"kty\":\"{}\"", shape.kty);
    json.reserve(room_for(key));  // grows in place, so that no copy of a secret is left behind
    for (const auto name : shape.public_members) {
        if (auto done = append_member(json, key, name); !done) return done;
    }
    if (has_member(key, "d")) {
        std::string whole = json;
        whole.reserve(room_for(key));
        for (const auto name : shape.private_members) {
            if (auto done = append_member(whole, key, name); !done) return done;
        }
        jwk.private_members = SecretText(whole.append("}"));
    }
    json += '}';
    if (shape.algorithm == Algorithm::HS256) {
        auto bytes = decode_base64url(without_padding(text_member(key, "k").value_or("")));
        if (!bytes) return unusable("\"k\" is not canonical base64url", "export the key again");
        jwk.hmac = SecretText(std::move(*bytes));
        jwk.private_members = SecretText(json);
    }
    jwk.public_members = SecretText(std::move(json));
    jwk.secret = !jwk.private_members.view().empty();
    return Nothing{};
}

KeyResult<Jwk> read_key(const Object& key) {
    if (auto once = refuse_duplicates(key); !once) return failure(once.error());
    auto shape = shape_of(key);
    if (!shape) return failure(shape.error());
    if (auto fits = check_alg(key, **shape); !fits) return failure(fits.error());
    if (auto fits = check_use(key); !fits) return failure(fits.error());
    auto kid = kid_of(key);
    if (!kid) return failure(kid.error());

    Jwk jwk;
    jwk.algorithm = (*shape)->algorithm;
    jwk.kid = std::move(*kid);
    if (auto built = build_members(key, **shape, jwk); !built) return failure(built.error());
    return jwk;
}

// Also of a key that we cannot read: what others use to decrypt is no less of a secret.
bool holds_secret(const Object& key) {
    return has_member(key, "d") || has_member(key, "k") || has_member(key, "priv");
}

void take_key(const Object& object, size_t place, Jwks& out) {
    out.secret = out.secret || holds_secret(object);
    auto key = read_key(object);
    if (!key) {
        out.left_out.push_back({place, std::string(text_member(object, "kid").value_or("")), key.error()});
        return;
    }
    key->place = place;
    out.keys.push_back(std::move(*key));
}

KeyResult<Jwks> read_keys(const simdjson::dom::array& array) {
    if (array.size() == 0) return unusable("\"keys\" is empty", "put at least one key into it");
    if (array.size() > max_listed_keys) {
        return unusable(fmt::format("holds more than {} keys", max_listed_keys),
                        "remove the ones out of use");
    }
    Jwks out;
    out.is_set = true;
    size_t place = 0;
    for (const auto element : array) {
        Object object;
        ++place;
        if (element.get(object) != simdjson::SUCCESS) {
            return unusable(fmt::format("key {}: is not a JSON object", place));
        }
        take_key(object, place, out);
    }
    return out;
}

// What the document holds beside keys does not matter, whatever numbers and texts it is.
std::optional<Object> object_of(simdjson::dom::parser& parser, std::string_view json) {
    simdjson::dom::element root;
    Object object;
    if (parse_json(parser, json, root) != simdjson::SUCCESS || root.get(object) != simdjson::SUCCESS)
        return std::nullopt;
    return object;
}

// "keys" of the document, which must have it once; null if it has none.
KeyResult<std::optional<simdjson::dom::array>> keys_of(const Object& document) {
    if (auto once = refuse_duplicates(document); !once) return failure(once.error());
    if (!has_member(document, "keys")) return std::optional<simdjson::dom::array>();
    simdjson::dom::array array;
    if (document["keys"].get(array) != simdjson::SUCCESS) return unusable("\"keys\" is not an array");
    return std::optional(array);
}

}  // namespace

std::string LeftOutKey::name() const {
    if (kid.empty()) return fmt::format("key {}", place);
    return fmt::format("key {} (kid \"{}\")", place, escape_peer_text(kid, 64));
}

KeyResult<Jwks> parse_published_jwks(std::string_view json) {
    simdjson::dom::parser parser;
    const auto document = object_of(parser, json);
    if (!document) return unusable("is not a JSON object");
    auto array = keys_of(*document);
    if (!array) return failure(array.error());
    if (!*array) return unusable("has no \"keys\"", "a JWKS looks like {\"keys\":[…]}");
    return read_keys(**array);
}

KeyResult<Jwks> parse_jwks(std::string_view json) {
    simdjson::dom::parser parser;
    const auto document = object_of(parser, json);
    if (!document) return unusable("is not a JSON object", "a JWKS looks like {\"keys\":[…]}");
    auto array = keys_of(*document);
    if (!array) return failure(array.error());
    if (*array) return read_keys(**array);
    Jwks one;
    take_key(*document, 1, one);
    return one;
}

}  // namespace wayleave
