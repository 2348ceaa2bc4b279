// Tokens and keys that somebody made to be let in: after RFC 8725, the attacks on JOSE libraries that were
// published, and the shapes of Wycheproof's signature tests.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <catch2/catch.hpp>

#include <array>
#include <memory>
#include <vector>

#include "daemon/identity/base64url.h"
#include "daemon/identity/sign.h"
#include "daemon/identity/verify.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

constexpr std::array all_algorithms = {Algorithm::HS256, Algorithm::RS256, Algorithm::ES256,
                                       Algorithm::EdDSA};

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

std::string pem_of(const Key& key) {
    const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<size_t>(size)};
}

// One issuer's key, and tokens with any header that are signed with it in any way.
struct Issuer {
    explicit Issuer(Key made)
        : key(std::move(made)), keys(*KeySet::load(directory.write("k.pem", pem_of(key), 0644))) {}

    static std::string data(const std::string& header) {
        return base64url(header) + "." + base64url(R"({"sub":"alice"})");
    }
    std::string sign(const std::string& text, const EVP_MD* digest, bool pss = false) const {
        const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
        EVP_PKEY_CTX* options = nullptr;
        REQUIRE(EVP_DigestSignInit(context.get(), &options, digest, nullptr, key.get()) == 1);
        if (pss) EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        std::string out(1024, '\0');
        size_t size = out.size();
        REQUIRE(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                               reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
        out.resize(size);
        return out;
    }
    [[nodiscard]] bool takes(const std::string& text, const std::string& signature) const {
        return verify_signature(keys, all_algorithms, text + "." + base64url(signature)).ok();
    }

    KeyDirectory directory;
    Key key;
    KeySet keys;
};

std::string number(const BIGNUM* value, size_t size = 32) {
    std::string out(size, '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size));
    return out;
}

std::string from_hex(std::string_view hex) {
    std::string out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

// The order of P-256.
const std::string p256_order = from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

std::string loads(const std::string& jwk) {
    const KeyDirectory directory;
    const auto keys = KeySet::load(directory.write("k.jwk", jwk));
    return keys ? "" : keys.error().text();
}

}  // namespace

TEST_CASE("no spelling of none is an algorithm") {
    const Issuer issuer(Key(EVP_EC_gen("P-256")));
    for (const char* alg :
         {"none", "None", "NONE", "nOnE", "none ", " none", "none\\u0000", "", "null", "HS256", "hs256",
          "ES256 ", "es256", "ES256K", "ES384", "PS256", "RSA1_5", "dir"}) {
        const std::string data = Issuer::data(std::string(R"({"alg":")") + alg + "\"}");
        INFO(alg);
        CHECK_FALSE(verify_signature(issuer.keys, all_algorithms, data + "."));
        CHECK_FALSE(verify_signature(issuer.keys, all_algorithms, data));
        CHECK_FALSE(issuer.takes(data, issuer.sign(data, EVP_sha256())));
    }
}

TEST_CASE("ECDSA signatures are two numbers of 32 bytes in the range of the curve") {
    const Issuer issuer(Key(EVP_EC_gen("P-256")));
    const std::string data = Issuer::data(R"({"alg":"ES256"})");
    const std::string der = issuer.sign(data, EVP_sha256());
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* parsed = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    const std::string r = number(ECDSA_SIG_get0_r(parsed));
    const std::string s = number(ECDSA_SIG_get0_s(parsed));
    BIGNUM* order = BN_bin2bn(reinterpret_cast<const unsigned char*>(p256_order.data()), 32, nullptr);
    BIGNUM* sum = BN_new();
    BN_add(sum, ECDSA_SIG_get0_s(parsed), order);
    const std::string wide = number(sum, 33);  // s + n: the same number modulo n
    BN_free(sum);
    BN_free(order);
    ECDSA_SIG_free(parsed);
    REQUIRE(issuer.takes(data, r + s));

    const std::string zero(32, '\0');
    const std::string one = std::string(31, '\0') + '\1';
    const std::string ones(32, '\xff');
    const std::vector<std::pair<const char*, std::string>> bad = {
        {"DER", der},
        {"zeros", zero + zero},  // CVE-2022-21449
        {"r = 0", zero + s},
        {"s = 0", r + zero},
        {"r = n", p256_order + s},
        {"s = n", r + p256_order},
        {"both n", p256_order + p256_order},
        {"both all ones", ones + ones},
        {"1, 1", one + one},
        {"1, 0", one + zero},
        {"0, 1", zero + one},
        {"swapped", s + r},
        {"short by one", (r + s).substr(0, 63)},
        {"without its first byte", (r + s).substr(1)},
        {"long by one", r + s + '\0'},
        {"a zero in front", '\0' + r + s},
        {"s + n", r + wide},
        {"33 bytes each", '\0' + r + '\0' + s},
        {"P-384's length", r + s + std::string(32, '\0')},
        {"twice", r + s + r + s},
        {"half", r},
        {"another digest", issuer.sign(data, EVP_sha384())},
    };
    for (const auto& [what, signature] : bad) {
        INFO(what);
        CHECK_FALSE(issuer.takes(data, signature));
    }
}

TEST_CASE("Ed25519 signatures have one form") {
    const Issuer issuer(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    const std::string data = Issuer::data(R"({"alg":"EdDSA"})");
    const std::string good = issuer.sign(data, nullptr);
    REQUIRE(good.size() == 64);
    REQUIRE(issuer.takes(data, good));
    // S + L, little-endian: the same number modulo the group's order (RFC 8032, section 5.1.7).
    const std::string order = from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    std::string malleable = good;
    unsigned carry = 0;
    for (size_t i = 0; i < 32; ++i) {
        carry += static_cast<unsigned char>(good[32 + i]) +
                 static_cast<unsigned>(static_cast<unsigned char>(order[i]));
        malleable[32 + i] = static_cast<char>(carry & 0xffU);
        carry >>= 8U;
    }
    CHECK_FALSE(issuer.takes(data, malleable));
    CHECK_FALSE(issuer.takes(data, std::string(64, '\0')));
    CHECK_FALSE(issuer.takes(data, '\1' + std::string(63, '\0')));
    CHECK_FALSE(issuer.takes(data, good.substr(0, 63)));
    CHECK_FALSE(issuer.takes(data, good + '\0'));
    CHECK_FALSE(issuer.takes(data, good + good));
    CHECK_FALSE(issuer.takes(data, good.substr(0, 32)));
    const std::string another = Issuer::data(R"({"alg":"Ed25519"})");
    CHECK_FALSE(issuer.takes(another, issuer.sign(another, nullptr)));
}

TEST_CASE("RSA signatures are PKCS#1 v1.5 with SHA-256, as long as the modulus") {
    const Issuer issuer(Key(EVP_RSA_gen(2048)));
    const std::string data = Issuer::data(R"({"alg":"RS256"})");
    const std::string good = issuer.sign(data, EVP_sha256());
    REQUIRE(issuer.takes(data, good));
    CHECK_FALSE(issuer.takes(data, issuer.sign(data, EVP_sha256(), true)));  // PSS
    CHECK_FALSE(issuer.takes(data, issuer.sign(data, EVP_sha1())));
    CHECK_FALSE(issuer.takes(data, issuer.sign(data, EVP_sha512())));
    CHECK_FALSE(issuer.takes(data, '\0' + good));
    CHECK_FALSE(issuer.takes(data, good + '\0'));
    CHECK_FALSE(issuer.takes(data, good.substr(1)));
    CHECK_FALSE(issuer.takes(data, std::string(256, '\0')));
    CHECK_FALSE(issuer.takes(data, std::string(255, '\0') + '\1'));
    CHECK_FALSE(issuer.takes(data, std::string(256, '\xff')));
    // What the signature decrypts to, as if it were the signature.
    const std::string padded = std::string("\0\1", 2) + std::string(202, '\xff') + '\0' +
                               from_hex("3031300d060960864801650304020105000420") + std::string(32, 'h');
    CHECK_FALSE(issuer.takes(data, padded));
    for (const char* alg : {"RS384", "RS512", "PS256", "PS512", "RSA-OAEP", "HS256"}) {
        const std::string other = Issuer::data(std::string(R"({"alg":")") + alg + "\"}");
        CHECK_FALSE(issuer.takes(other, issuer.sign(other, EVP_sha256())));
    }
}

TEST_CASE("the public key is no secret, however it is written") {
    for (const bool rsa : {false, true}) {
        const std::string pem = pem_of(Key(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")));
        const KeyDirectory directory;
        const auto keys = KeySet::load(directory.write("k.pem", pem, 0644));
        REQUIRE(keys);
        const std::string data = Issuer::data(R"({"alg":"HS256"})");
        for (const std::string& secret : {pem, pem.substr(0, pem.size() - 1), pem + "\n"}) {
            const Key mac(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr,
                                                       reinterpret_cast<const unsigned char*>(secret.data()),
                                                       secret.size()));
            const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
            REQUIRE(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, mac.get()) == 1);
            std::string tag(32, '\0');
            size_t size = tag.size();
            REQUIRE(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(tag.data()), &size,
                                   reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1);
            const auto result = verify_signature(*keys, all_algorithms, data + "." + base64url(tag));
            REQUIRE_FALSE(result);
            CHECK(result.error() == TokenError::algorithm);
        }
    }
}

TEST_CASE("a header that changes what the rest means is refused") {
    const Issuer issuer(Key(EVP_EC_gen("P-256")));
    for (const char* member : {
             R"("crit":["exp"])",
             R"("crit":["b64"],"b64":false)",
             R"("crit":[])",
             R"("b64":false)",
             R"("b64":0)",
             R"("zip":"DEF")",
             R"("enc":"A128GCM")",
             R"("\u0063rit":["exp"])",
         }) {
        INFO(member);
        const std::string data = Issuer::data(std::string(R"({"alg":"ES256",)") + member + "}");
        // Correctly signed, if in DER; the header is refused before anybody looks.
        const auto result =
            verify_signature(issuer.keys, all_algorithms, data + "." + base64url(std::string(64, 'x')));
        REQUIRE_FALSE(result);
        CHECK(result.error() == TokenError::header);
    }
}

// The attacker signs with a key of his own and brings it along, in every way that a header knows.
TEST_CASE("a key in the token opens nothing") {
    const Issuer issuer(Key(EVP_EC_gen("P-256")));
    const Issuer attacker(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    const Issuer twin(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    std::array<unsigned char, 32> bytes{};
    size_t size = bytes.size();
    REQUIRE(EVP_PKEY_get_raw_public_key(attacker.key.get(), bytes.data(), &size) == 1);
    const std::string x = base64url({reinterpret_cast<const char*>(bytes.data()), size});
    const std::string jwk = R"({"kty":"OKP","crv":"Ed25519","kid":"1","x":")" + x + "\"}";
    for (const std::string& member :
         {"\"jwk\":" + jwk, R"("kid":"1","jwk":)" + jwk, std::string(R"("jku":"https://evil.example/jwks")"),
          std::string(R"("jku":"file:///etc/passwd")"), std::string(R"("x5u":"https://evil.example/c.pem")"),
          R"("x5c":[")" + x + R"("])", R"("x5t":")" + x + "\"", R"("x5t#S256":")" + x + "\"",
          std::string(R"("\u006aku":"https://evil.example/")"),
          R"("kid":"../../../../dev/null","jwk":)" + jwk, R"("kid":"x' UNION SELECT ')" + x + "\"",
          R"("kid":")" + x + "\""}) {
        INFO(member);
        const std::string data = Issuer::data(R"({"alg":"EdDSA",)" + member + "}");
        const std::string signature = attacker.sign(data, nullptr);
        CHECK(attacker.takes(data, signature));  // who trusts this key takes it for that, not for its header
        CHECK_FALSE(twin.takes(data, signature));
        CHECK_FALSE(issuer.takes(data, signature));
    }
    // Nor does a header that says nothing but a key that anybody has, with a MAC over it.
    const std::string none = Issuer::data(R"({"alg":"none","jwk":)" + jwk + "}");
    CHECK_FALSE(verify_signature(attacker.keys, all_algorithms, none + "."));
}

TEST_CASE("a header is JSON of one level of reason") {
    const Issuer issuer(Key(EVP_EC_gen("P-256")));
    std::string deep = R"({"alg":"ES256","x":)";
    deep += std::string(1100, '[') + std::string(1100, ']') + "}";
    std::string many = R"({"alg":"ES256")";
    for (int i = 0; i < 20; ++i) many += ",\"m" + std::to_string(i) + "\":1";
    for (const std::string& header :
         {deep, many + "}", std::string(R"({"alg":"ES256"}{})"), std::string(R"({"alg":"ES256"},)"),
          std::string("\xef\xbb\xbf{\"alg\":\"ES256\"}"), std::string("{\"alg\":\"ES256\"}\0", 16),
          std::string(R"({'alg':'ES256'})"), std::string(R"({"alg":"ES256",})"), std::string("null"),
          std::string(R"("ES256")"), std::string(R"({"alg":{"alg":"ES256"}})"),
          std::string(R"({"alg":1e400})"), std::string("{\"alg\":\"ES256\",\"kid\":\"\xc0\xaf\"}")}) {
        INFO(header.substr(0, 60));
        const std::string data = Issuer::data(header);
        CHECK_FALSE(
            verify_signature(issuer.keys, all_algorithms, data + "." + base64url(std::string(64, 'x'))));
    }
}

TEST_CASE("keys that let anybody sign are refused") {
    // On no curve; at infinity; of another curve; out of range.
    const std::string zero = base64url(std::string(32, '\0'));
    const std::string x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const auto ec = [](const std::string& px, const std::string& py) {
        return R"({"kty":"EC","crv":"P-256","x":")" + px + R"(","y":")" + py + "\"}";
    };
    CHECK(loads(ec(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")) == "");
    CHECK(loads(ec(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1")) != "");  // idle bits
    CHECK(loads(ec(x, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5b0")) != "");
    CHECK(loads(ec(x, x)) != "");
    CHECK(loads(ec(zero, zero)) != "");
    CHECK(loads(ec(base64url(std::string(32, '\xff')), base64url(std::string(32, '\xff')))) != "");
    CHECK(loads(ec("AA", "AA")) != "");
    CHECK(loads(ec(base64url(std::string(48, 'x')), base64url(std::string(48, 'x')))) != "");

    const auto rsa = [](const std::string& n, const std::string& e) {
        return R"({"kty":"RSA","n":")" + n + R"(","e":")" + e + "\"}";
    };
    const Key key(EVP_RSA_gen(2048));
    BIGNUM* modulus = nullptr;
    EVP_PKEY_get_bn_param(key.get(), "n", &modulus);
    const std::string n = base64url(number(modulus, 256));
    BN_free(modulus);
    CHECK(loads(rsa(n, "AQAB")) == "");
    CHECK(loads(rsa(n, "Aw")) == "");
    CHECK(loads(rsa(n, "AQ")) != "");  // e = 1: a signature is the message
    CHECK(loads(rsa(n, "AA")) != "");
    CHECK(loads(rsa(n, "AQAC")) != "");                                     // even
    CHECK(loads(rsa(base64url(std::string(128, '\xff')), "AQAB")) != "");   // 1024 bits
    CHECK(loads(rsa(base64url(std::string(4096, '\xff')), "AQAB")) != "");  // a second for each token

    const auto ed = [](const std::string& point) {
        return R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url(point) + "\"}";
    };
    // Points of small order: one signature is good for every message.
    for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000080",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
        INFO(hex);
        CHECK(loads(ed(from_hex(hex))) != "");
    }
    CHECK(loads(ed(std::string(31, 'x'))) != "");
    CHECK(loads(ed(std::string(33, 'x'))) != "");
}

TEST_CASE("RFC 7520: signatures with RSA and HMAC") {
    const std::string payload =
        "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg"
        "cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0"
        "IGJlIHN3ZXB0IG9mZiB0by4";
    const KeyDirectory directory;
    const auto mac = KeySet::load(directory.write(
        "k.jwk", R"({"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256",)"
                 R"("k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"})"));
    REQUIRE(mac);
    CHECK(
        verify_signature(*mac, all_algorithms,
                         "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." +
                             payload + ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"));
    const auto rsa = KeySet::load(directory.write(
        "r.jwk",
        R"({"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"})"));
    REQUIRE(rsa);
    CHECK(verify_signature(
        *rsa, all_algorithms,
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + payload +
            ".MRjdkly7_-"
            "oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84"
            "wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_"
            "qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHX"
            "Fxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-"
            "ZnmKJ3F4uOZDnd6QZWJushZ41Axf_"
            "fcIe8u9ipH84ogoree7vjbU5y18kDquDg"));
}
