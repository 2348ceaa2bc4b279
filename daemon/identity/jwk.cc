#include "daemon/identity/jwk.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <initializer_list>
#include <optional>
#include <set>

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
Status refuse_duplicates(const Object& object) {
    std::set<std::string_view> seen;
    for (const auto field : object) {
        if (!seen.insert(field.key).second) {
            return failure(std::string("a member stands twice; write each member once"));
        }
    }
    return success();
}

Result<const KeyShape*> shape_of(const Object& key) {
    const auto kty = text_member(key, "kty");
    if (!kty) return failure("has no \"kty\"; write RSA, EC, OKP or oct");
    const auto crv = text_member(key, "crv");
    for (const auto& shape : shapes()) {
        if (shape.kty == *kty && (shape.crv.empty() || shape.crv == crv)) return &shape;
    }
    return failure(
        "is of a kind or curve that is not supported; use RSA, EC with P-256, OKP with Ed25519, or oct");
}

Status check_alg(const Object& key, const KeyShape& shape) {
    if (!has_member(key, "alg") || text_member(key, "alg") == to_string(shape.algorithm)) return success();
    return failure(fmt::format("\"alg\" does not suit the key; an {} key is for {}", shape.kty,
                               to_string(shape.algorithm)));
}

Status check_use(const Object& key) {
    if (has_member(key, "use") && text_member(key, "use") != "sig") {
        return failure("\"use\" is not \"sig\"; list only keys for signatures");
    }
    if (!has_member(key, "key_ops")) return success();
    simdjson::dom::array operations;
    if (key["key_ops"].get(operations) == simdjson::SUCCESS) {
        for (const auto operation : operations) {
            std::string_view name;
            if (operation.get(name) == simdjson::SUCCESS && (name == "verify" || name == "sign"))
                return success();
        }
    }
    return failure("\"key_ops\" holds neither \"verify\" nor \"sign\"; list only keys for signatures");
}

Result<std::string> kid_of(const Object& key) {
    if (!has_member(key, "kid")) return std::string();
    const auto kid = text_member(key, "kid");
    if (!kid || kid->empty() || kid->size() > 256)
        return failure("\"kid\" must be a string of 1 to 256 bytes");
    return std::string(*kid);
}

bool is_base64url_text(std::string_view text) {
    return !text.empty() && text.find_first_not_of(
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-_") == std::string_view::npos;
}

// Appends `,"name":"text"`; values are base64url or the name of a curve, so nothing needs escaping.
Status append_member(std::string& json, const Object& key, std::string_view name) {
    const auto text = text_member(key, name);
    if (!text || !is_base64url_text(*text)) {
        return failure(fmt::format("\"{}\" is missing or not base64url; export the key again", name));
    }
    json += fmt::format(",\"{}\":\"{}\"", name, *text);
    return success();
}

Status build_members(const Object& key, const KeyShape& shape, Jwk& jwk) {
    std::string json = fmt::format("{{\"kty\":\"{}\"", shape.kty);
    json.reserve(max_key_file_bytes);  // grows in place, so that no copy of a secret is left behind
    for (const auto name : shape.public_members) {
        if (auto done = append_member(json, key, name); !done) return done;
    }
    if (has_member(key, "d")) {
        std::string whole = json;
        whole.reserve(max_key_file_bytes);
        for (const auto name : shape.private_members) {
            if (auto done = append_member(whole, key, name); !done) return done;
        }
        jwk.private_members = SecretText(whole.append("}"));
    }
    json += '}';
    if (shape.algorithm == Algorithm::HS256) jwk.private_members = SecretText(json);
    jwk.public_members = SecretText(std::move(json));
    jwk.secret = !jwk.private_members.view().empty();
    return success();
}

Result<Jwk> read_key(const Object& key) {
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

// `unknown` counts keys that cannot be read; null: the first of them is an error.
Result<std::vector<Jwk>> read_keys(const simdjson::dom::array& array, size_t* unknown) {
    if (array.size() == 0) return failure("\"keys\" is empty; put at least one key into it");
    if (array.size() > max_keys) {
        return failure(fmt::format("holds more than {} keys; remove the ones out of use", max_keys));
    }
    std::vector<Jwk> keys;
    std::set<std::string> kids;
    for (const auto element : array) {
        const size_t place = keys.size() + (unknown ? *unknown : 0) + 1;
        Object object;
        if (element.get(object) != simdjson::SUCCESS) {
            return failure(fmt::format("key {}: is not a JSON object", place));
        }
        auto key = read_key(object);
        if (!key && unknown != nullptr) {
            ++*unknown;
            continue;
        }
        if (!key) return failure(fmt::format("key {}: {}", place, key.error()));
        if (!key->kid.empty() && !kids.insert(key->kid).second) {
            return failure(fmt::format("key {}: has a \"kid\" of an earlier key; give each its own", place));
        }
        keys.push_back(std::move(*key));
    }
    return keys;
}

// "keys" of the document, which must have it once; null if it has none.
Result<std::optional<simdjson::dom::array>> keys_of(const Object& document) {
    if (auto once = refuse_duplicates(document); !once) return failure(once.error());
    if (!has_member(document, "keys")) return std::optional<simdjson::dom::array>();
    simdjson::dom::array array;
    if (document["keys"].get(array) != simdjson::SUCCESS) return failure("\"keys\" is not an array");
    return std::optional(array);
}

}  // namespace

Result<std::vector<Jwk>> parse_published_jwks(std::string_view json, size_t& unknown) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(json);
    Object document;
    if (parser.parse(padded).get(document) != simdjson::SUCCESS) return failure("is not a JSON object");
    auto array = keys_of(document);
    if (!array) return failure(array.error());
    if (!*array) return failure("has no \"keys\"; a JWKS looks like {\"keys\":[…]}");
    return read_keys(**array, &unknown);
}

Result<std::vector<Jwk>> parse_jwks(std::string_view json) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(json);
    Object document;
    if (parser.parse(padded).get(document) != simdjson::SUCCESS) {
        return failure("is not a JSON object; a JWKS looks like {\"keys\":[…]}");
    }
    auto array = keys_of(document);
    if (!array) return failure(array.error());
    if (!*array) {
        auto key = read_key(document);
        if (!key) return failure(key.error());
        std::vector<Jwk> one;
        one.push_back(std::move(*key));
        return one;
    }
    return read_keys(**array, nullptr);
}

Result<SecretText> hmac_secret_of(const Jwk& jwk) {
    constexpr std::string_view before = R"({"kty":"oct","k":")";
    constexpr std::string_view after = R"("})";
    // We wrote this object ourselves, in build_members(), so its text is known to the byte.
    auto members = jwk.public_members.view();
    if (!members.starts_with(before) || !members.ends_with(after)) return failure("is not an HMAC key");
    members.remove_prefix(before.size());
    members.remove_suffix(after.size());
    auto bytes = decode_base64url(members);
    if (!bytes) return failure("\"k\" is not canonical base64url; export the key again");
    return SecretText(std::move(*bytes));
}

}  // namespace wayleave
