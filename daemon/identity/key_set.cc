#include "daemon/identity/key_set.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <rhonabwy.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "daemon/base/escape.h"
#include "daemon/identity/base64url.h"
#include "daemon/identity/jwk.h"
#include "daemon/identity/key_file.h"
#include "daemon/identity/pem.h"
#include "daemon/identity/raw_types.h"

namespace wayleave {

namespace {

struct FreeDigest {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
struct FreeEcdsa {
    void operator()(ECDSA_SIG* signature) const noexcept { ECDSA_SIG_free(signature); }
};
using Mac = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

Mac make_mac(std::string_view secret) {
    EVP_MAC* method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    Mac mac(EVP_MAC_CTX_new(method));
    EVP_MAC_free(method);  // the context holds a reference of its own
    std::array<char, 7> digest{"SHA256"};
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    if (!mac || EVP_MAC_init(mac.get(), bytes_of(secret), secret.size(), parameters.data()) != 1)
        return nullptr;
    return mac;
}

using Sum = std::array<unsigned char, 32>;

std::optional<Sum> mac_over(const EVP_MAC_CTX* keyed, std::string_view data) {
    const Mac mac(EVP_MAC_CTX_dup(keyed));
    Sum sum{};
    size_t length = 0;
    const bool made = mac && EVP_MAC_update(mac.get(), bytes_of(data), data.size()) == 1 &&
                      EVP_MAC_final(mac.get(), sum.data(), &length, sum.size()) == 1 && length == sum.size();
    return made ? std::optional(sum) : std::nullopt;
}

bool mac_matches(const EVP_MAC_CTX* keyed, std::string_view data, std::string_view signature) {
    const auto own = mac_over(keyed, data);
    return own && signature.size() == own->size() &&
           CRYPTO_memcmp(own->data(), signature.data(), own->size()) == 0;
}

uint64_t mark_of(const Sum& sum) {
    uint64_t mark = 0;
    std::memcpy(&mark, sum.data(), sizeof mark);
    return std::max<uint64_t>(mark, 1);
}

// JOSE writes an ECDSA signature as r and s of 32 bytes each, OpenSSL wants them in DER. Empty if it cannot
// be.
std::string ecdsa_der(std::string_view signature) {
    constexpr size_t half = 32;
    if (signature.size() != 2 * half) return {};
    const std::unique_ptr<ECDSA_SIG, FreeEcdsa> pair(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(bytes_of(signature), half, nullptr);
    BIGNUM* s = BN_bin2bn(bytes_of(signature) + half, half, nullptr);
    if (!pair || r == nullptr || s == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return {};
    }
    std::array<unsigned char, 80> der{};
    unsigned char* end = der.data();
    const int length = i2d_ECDSA_SIG(pair.get(), &end);
    if (length <= 0) return {};
    return {reinterpret_cast<const char*>(der.data()), static_cast<size_t>(length)};
}

bool public_key_matches(EVP_PKEY* key, Algorithm algorithm, std::string_view data,
                        std::string_view signature) {
    std::string der;
    if (algorithm == Algorithm::ES256) {
        der = ecdsa_der(signature);
        if (der.empty()) return false;
        signature = der;
    }
    const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
    const char* digest = algorithm == Algorithm::EdDSA ? nullptr : "SHA256";  // Ed25519 hashes by itself
    const bool good =
        context &&
        EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, key, nullptr) == 1 &&
        EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(data), data.size()) ==
            1;
    if (!good) ERR_clear_error();  // OpenSSL's queue is per thread; nothing of ours may pile up in it
    return good;
}

// The JOSE library reads the JWK, OpenSSL takes it over as PEM.
KeyResult<Pkey> build_public_key(const Jwk& jwk) {
    jwk_t* raw = nullptr;
    if (r_jwk_init(&raw) != RHN_OK) return unusable("cannot be read: out of memory");
    const std::unique_ptr<jwk_t, FreeJwk> parsed(raw);
    const std::string members(jwk.public_members.view());
    std::string pem(8192, '\0');
    size_t length = pem.size();
    if (r_jwk_import_from_json_str(raw, members.c_str()) != RHN_OK ||
        r_jwk_export_to_pem_der(raw, R_FORMAT_PEM, reinterpret_cast<unsigned char*>(pem.data()), &length,
                                R_FLAG_IGNORE_REMOTE) != RHN_OK) {
        return unusable("is not a valid key", "export it again");
    }
    auto key = parse_pem(std::string_view(pem).substr(0, length));
    if (!key) return failure(key.error());
    return std::move(key->key);
}

KeyResult<VerifyKey> hmac_key(std::string kid, std::string_view secret) {
    if (secret.size() < min_hmac_secret_bytes) {
        return too_weak(fmt::format("is an HMAC secret of {} bytes", secret.size()),
                        fmt::format("at least {} are required, make one with openssl rand -hex 32",
                                    min_hmac_secret_bytes));
    }
    Mac mac = make_mac(secret);
    if (!mac) return unusable("OpenSSL offers no HMAC with SHA-256", "check its configuration");
    return VerifyKey(std::move(kid), std::move(mac));
}

KeyResult<VerifyKey> public_key(std::string kid, Pkey key) {
    auto algorithm = algorithm_of(key.get());
    if (!algorithm) return failure(algorithm.error());
    std::unique_ptr<evp_pkey_st, FreePublicKey> owned(key.release());
    return VerifyKey(*algorithm, std::move(kid), std::move(owned));
}

KeyResult<VerifyKey> key_from_jwk(const Jwk& jwk) {
    if (jwk.algorithm != Algorithm::HS256) {
        auto key = build_public_key(jwk);
        if (!key) return failure(key.error());
        return public_key(jwk.kid, std::move(*key));
    }
    return hmac_key(jwk.kid, jwk.hmac.view());
}

struct Loaded {
    std::vector<VerifyKey> keys;
    std::vector<LeftOutKey> left_out;
    bool secret = false;
};

// Equal members are one key, also if a set lists it twice.
bool same_key(const Jwk& a, const Jwk& b) {
    return a.kid == b.kid && a.algorithm == b.algorithm && a.public_members.view() == b.public_members.view();
}

// Each key on its own: what is wrong with one is no reason to go without the others.
Loaded build_keys(Jwks jwks) {
    Loaded out{{}, std::move(jwks.left_out), jwks.secret};
    for (auto jwk = jwks.keys.begin(); jwk != jwks.keys.end(); ++jwk) {
        if (std::any_of(jwks.keys.begin(), jwk, [&](const Jwk& earlier) { return same_key(earlier, *jwk); }))
            continue;
        KeyResult<VerifyKey> key =
            out.keys.size() < max_keys
                ? key_from_jwk(*jwk)
                : unusable(fmt::format("stands behind {} others", max_keys), "remove the ones out of use");
        if (key)
            out.keys.push_back(std::move(*key));
        else
            out.left_out.push_back({jwk->place, jwk->kid, key.error()});
    }
    return out;
}

// Errors of these three come without the path.
KeyResult<Loaded> load_jwks(const KeyFile& file) {
    auto jwks = parse_jwks(file.text.view());
    if (!jwks) return failure(jwks.error());
    const bool is_set = jwks->is_set;
    Loaded loaded = build_keys(std::move(*jwks));
    if (!loaded.keys.empty()) return loaded;
    const LeftOutKey& first = loaded.left_out.front();
    return failure(is_set ? first.why.of(fmt::format("key {}", first.place)) : first.why);
}

KeyResult<Loaded> only(KeyResult<VerifyKey> key, bool secret) {
    if (!key) return failure(key.error());
    Loaded loaded;
    loaded.keys.push_back(std::move(*key));
    loaded.secret = secret;
    return loaded;
}

KeyResult<Loaded> load_pem(const KeyFile& file) {
    auto pem = parse_pem(file.text.view());
    if (!pem) return failure(pem.error());
    return only(public_key({}, std::move(pem->key)), pem->is_private);
}

KeyResult<Loaded> load_kind(const KeyFile& file) {
    if (file.kind == KeyFileKind::json) return load_jwks(file);
    if (file.kind == KeyFileKind::pem) return load_pem(file);
    return only(hmac_key({}, file.text.view()), true);
}

std::vector<KeyError> told(std::vector<LeftOutKey> keys) {
    std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    std::vector<KeyError> out;
    for (const LeftOutKey& key : keys) out.push_back(key.why.of(key.name()));
    return out;
}

// Whoever publishes these has lost them.
void leave_out_secrets(Jwks& jwks) {
    for (const Jwk& jwk : jwks.keys) {
        if (jwk.secret)
            jwks.left_out.push_back({jwk.place, jwk.kid, {{}, "can sign", "nobody should publish it"}});
    }
    std::erase_if(jwks.keys, [](const Jwk& jwk) { return jwk.secret; });
}

}  // namespace

void FreePublicKey::operator()(evp_pkey_st* key) const noexcept {
    EVP_PKEY_free(key);
}
void FreeMac::operator()(evp_mac_ctx_st* mac) const noexcept {
    EVP_MAC_CTX_free(mac);
}

VerifyKey::VerifyKey(Algorithm algorithm, std::string kid, std::unique_ptr<evp_pkey_st, FreePublicKey> key)
    : algorithm_(algorithm), kid_(std::move(kid)), key_(std::move(key)) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    Sum sum{};
    if (size > 0) EVP_Digest(der, static_cast<size_t>(size), sum.data(), nullptr, EVP_sha256(), nullptr);
    OPENSSL_free(der);
    mark_ = mark_of(sum);
}

// Of a secret the signature of a text that is no token.
VerifyKey::VerifyKey(std::string kid, std::unique_ptr<evp_mac_ctx_st, FreeMac> mac)
    : algorithm_(Algorithm::HS256), kid_(std::move(kid)), mac_(std::move(mac)) {
    mark_ = mark_of(mac_over(mac_.get(), "wayleave: which key is it?").value_or(Sum{}));
}

std::string VerifyKey::name() const {
    const std::string which =
        kid_.empty() ? "a key without kid" : fmt::format("kid \"{}\"", escape_peer_text(kid_, 64));
    return fmt::format("{} ({})", which, to_string(algorithm_));
}

bool VerifyKey::matches(std::string_view data, std::string_view signature) const {
    if (mac_) return mac_matches(mac_.get(), data, signature);
    return public_key_matches(key_.get(), algorithm_, data, signature);
}

bool KeySet::has_kids() const {
    return std::any_of(keys_.begin(), keys_.end(), [](const VerifyKey& key) { return !key.kid().empty(); });
}

KeyResult<KeySet> KeySet::published(std::string_view json) {
    auto jwks = parse_published_jwks(json);
    if (!jwks) return failure(jwks.error());
    leave_out_secrets(*jwks);
    Loaded loaded = build_keys(std::move(*jwks));
    if (loaded.keys.empty()) {
        return unusable("holds no usable key", "RSA of 2048 bits, EC with P-256 and OKP with Ed25519 are");
    }
    return KeySet(std::move(loaded.keys), told(std::move(loaded.left_out)));
}

KeyResult<KeySet> KeySet::load(const std::string& path) {
    auto file = read_key_file(path);
    if (!file) return failure(file.error());
    auto loaded = load_kind(*file);
    if (!loaded) return failure(loaded.error().of(path));
    if (loaded->secret) {
        if (auto hidden = refuse_if_exposed(*file); !hidden) return failure(hidden.error());
    }
    return KeySet(std::move(loaded->keys), told(std::move(loaded->left_out)));
}

}  // namespace wayleave
