#include "daemon/identity/sign.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <rhonabwy.h>
#include <simdjson.h>

#include <array>
#include <memory>

#include "daemon/identity/jwk.h"
#include "daemon/identity/key_file.h"
#include "daemon/identity/pem.h"
#include "daemon/identity/raw_types.h"
#include "dsl/text/text.h"

namespace wayleave {

namespace {

struct FreeJws {
    void operator()(jws_t* jws) const noexcept { r_jws_free(jws); }
};
struct FreeText {
    void operator()(char* text) const noexcept { r_free(text); }
};
using RawJwk = std::unique_ptr<jwk_t, FreeJwk>;
using RawText = std::unique_ptr<char, FreeText>;

struct SigningKey {
    RawJwk key;
    Algorithm algorithm = Algorithm::HS256;
    std::string kid;  // what the header shall say; empty for none
};

jwa_alg raw_algorithm(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::HS256: return R_JWA_ALG_HS256;
        case Algorithm::RS256: return R_JWA_ALG_RS256;
        case Algorithm::ES256: return R_JWA_ALG_ES256;
        case Algorithm::EdDSA: return R_JWA_ALG_EDDSA;
    }
    return R_JWA_ALG_NONE;
}

RawJwk new_jwk() {
    jwk_t* raw = nullptr;
    return RawJwk(r_jwk_init(&raw) == RHN_OK ? raw : nullptr);
}

Result<SigningKey> from_jwks(const KeyFile& file, std::string_view kid) {
    auto keys = parse_jwks(file.text.view());
    if (!keys) return failure(keys.error().text());
    if (keys->keys.empty()) return failure(keys->left_out.front().why.text());
    for (const auto& jwk : keys->keys) {
        if (!jwk.secret || (!kid.empty() && jwk.kid != kid)) continue;
        SigningKey signing{new_jwk(), jwk.algorithm, jwk.kid};
        const std::string members(jwk.private_members.view());
        if (!signing.key || r_jwk_import_from_json_str(signing.key.get(), members.c_str()) != RHN_OK) {
            return failure("its private key is not valid; export it again");
        }
        return signing;
    }
    if (kid.empty()) return failure("holds no private key; tokens cannot be signed with a public one");
    return failure(fmt::format("holds no private key with kid {}; look at the kids in the file", kid));
}

// Through OpenSSL, because GnuTLS does not read all the PEM forms that OpenSSL writes.
Result<SigningKey> from_pem(const KeyFile& file, std::string_view kid) {
    auto pem = parse_pem(file.text.view());
    if (!pem) return failure(pem.error().text());
    if (!pem->is_private) return failure("is a public key; tokens are signed with the private one");
    auto algorithm = algorithm_of(pem->key.get());
    if (!algorithm) return failure(algorithm.error().text());

    const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_secmem()));
    SigningKey signing{new_jwk(), *algorithm, std::string(kid)};
    char* text = nullptr;
    if (!bio || !signing.key ||
        PEM_write_bio_PKCS8PrivateKey(bio.get(), pem->key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
            1) {
        return failure("cannot be converted; export the key again");
    }
    const auto length = static_cast<size_t>(BIO_get_mem_data(bio.get(), &text));
    if (r_jwk_import_from_pem_der(signing.key.get(), R_X509_TYPE_PRIVKEY, R_FORMAT_PEM,
                                  bytes_of({text, length}), length) != RHN_OK) {
        return failure("is not a key that the JOSE library can sign with; export the key again");
    }
    return signing;
}

Result<SigningKey> from_bytes(std::string_view secret, std::string_view kid) {
    SigningKey signing{new_jwk(), Algorithm::HS256, std::string(kid)};
    if (!signing.key ||
        r_jwk_import_from_symmetric_key(signing.key.get(), bytes_of(secret), secret.size()) != RHN_OK) {
        return failure("is not accepted by the JOSE library as an HMAC secret");
    }
    return signing;
}

Result<SigningKey> from_secret(const KeyFile& file, std::string_view kid) {
    const auto secret = file.text.view();
    if (secret.size() < min_hmac_secret_bytes) {
        return failure(fmt::format("is an HMAC secret of {} bytes; at least {} are required", secret.size(),
                                   min_hmac_secret_bytes));
    }
    return from_bytes(secret, kid);
}

Result<SigningKey> load_signing_key(const KeyFile& file, std::string_view kid) {
    if (file.kind == KeyFileKind::json) return from_jwks(file, kid);
    if (file.kind == KeyFileKind::pem) return from_pem(file, kid);
    return from_secret(file, kid);
}

Status check_claims(std::string_view claims) {
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(claims);
    simdjson::dom::object object;
    if (parser.parse(padded).get(object) == simdjson::SUCCESS) return success();
    return failure("the claims are not a JSON object; write them like {\"sub\":\"alice\"}");
}

Result<std::string> serialize(const SigningKey& signing, std::string_view claims) {
    jws_t* raw = nullptr;
    if (r_jws_init(&raw) != RHN_OK) return failure("the token cannot be made: out of memory");
    const std::unique_ptr<jws_t, FreeJws> jws(raw);
    bool good = r_jws_set_alg(raw, raw_algorithm(signing.algorithm)) == RHN_OK &&
                r_jws_set_header_str_value(raw, "typ", "JWT") == RHN_OK &&
                r_jws_set_payload(raw, bytes_of(claims), claims.size()) == RHN_OK;
    if (good && !signing.kid.empty()) {
        good = r_jws_set_header_str_value(raw, "kid", signing.kid.c_str()) == RHN_OK;
    }
    const RawText token(good ? r_jws_serialize(raw, signing.key.get(), R_FLAG_IGNORE_REMOTE) : nullptr);
    if (!token) return failure("the JOSE library cannot sign with this key; export the key again");
    return std::string(token.get());
}

// Fills `key` with a new private key.
bool generate(Algorithm algorithm, jwk_t* key) {
    if (algorithm == Algorithm::HS256) {
        std::array<unsigned char, min_hmac_secret_bytes> secret{};
        const bool good = RAND_bytes(secret.data(), static_cast<int>(secret.size())) == 1 &&
                          r_jwk_import_from_symmetric_key(key, secret.data(), secret.size()) == RHN_OK;
        OPENSSL_cleanse(secret.data(), secret.size());
        return good;
    }
    const RawJwk unused_public = new_jwk();
    if (!unused_public) return false;
    const bool is_rsa = algorithm == Algorithm::RS256;
    const int type = is_rsa                          ? R_KEY_TYPE_RSA
                     : algorithm == Algorithm::ES256 ? R_KEY_TYPE_EC
                                                     : R_KEY_TYPE_EDDSA;
    return r_jwk_generate_key_pair(key, unused_public.get(), type, is_rsa ? 2048 : 256, nullptr) == RHN_OK;
}

bool name_key(jwk_t* key, const std::string& kid) {
    if (!kid.empty()) return r_jwk_set_property_str(key, "kid", kid.c_str()) == RHN_OK;
    const RawText thumbprint(r_jwk_thumbprint(key, R_JWK_THUMB_SHA256, R_FLAG_IGNORE_REMOTE));
    return thumbprint && r_jwk_set_property_str(key, "kid", thumbprint.get()) == RHN_OK;
}

}  // namespace

Result<std::string> sign_token(const std::string& key_path, std::string_view claims_json,
                               std::string_view kid) {
    if (auto claims = check_claims(claims_json); !claims) return failure(claims.error());
    auto file = read_key_file(key_path);
    if (!file) return failure(file.error().text());
    auto key = load_signing_key(*file, kid);
    if (!key) return failure(fmt::format("{}: {}", key_path, key.error()));
    if (auto hidden = refuse_if_exposed(*file); !hidden) return failure(hidden.error().text());
    auto token = serialize(*key, claims_json);
    if (!token) return failure(fmt::format("{}: {}", key_path, token.error()));
    return token;
}

Result<std::string> sign_token(const SecretText& secret, std::string_view claims_json) {
    if (auto claims = check_claims(claims_json); !claims) return failure(claims.error());
    const auto key = from_bytes(secret.view(), {});
    return key ? serialize(*key, claims_json) : failure(key.error());
}

Result<std::string> generate_key(Algorithm algorithm, const std::string& kid) {
    if (kid.size() > max_kid_bytes || kid.find('\0') != std::string::npos ||
        dsl::first_invalid_utf8(kid) != std::string_view::npos)
        return failure(fmt::format("the kid is not a text of at most {} bytes", max_kid_bytes));
    const RawJwk key = new_jwk();
    const std::string name(to_string(algorithm));
    if (!key || !generate(algorithm, key.get()) || !name_key(key.get(), kid) ||
        r_jwk_set_property_str(key.get(), "use", "sig") != RHN_OK ||
        r_jwk_set_property_str(key.get(), "alg", name.c_str()) != RHN_OK) {
        return failure(fmt::format("a key for {} cannot be made; check the system's random source", name));
    }
    const RawText text(r_jwk_export_to_json_str(key.get(), 0));
    if (!text) return failure("the new key cannot be written as JSON: out of memory");
    return fmt::format("{{\"keys\":[{}]}}\n", text.get());
}

}  // namespace wayleave
