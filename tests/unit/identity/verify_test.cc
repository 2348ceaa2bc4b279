#include "daemon/identity/verify.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <catch2/catch.hpp>

#include <array>
#include <thread>
#include <vector>

#include "daemon/identity/sign.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

constexpr std::array all_algorithms = {Algorithm::HS256, Algorithm::RS256, Algorithm::ES256,
                                       Algorithm::EdDSA};
const std::string secret = "0123456789abcdef0123456789abcdef";

KeySet load(const std::string& path) {
    auto keys = KeySet::load(path);
    INFO((keys ? "" : keys.error().text()));
    REQUIRE(keys);
    return std::move(*keys);
}

// A token with any header at all, correctly signed with HS256 and `key`.
std::string hmac_token(std::string_view header, std::string_view payload = R"({"sub":"alice"})",
                       const std::string& key = secret) {
    const std::string data = base64url(header) + "." + base64url(payload);
    std::array<unsigned char, 32> mac{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(data.data()), data.size(), mac.data(), &length);
    return data + "." + base64url({reinterpret_cast<const char*>(mac.data()), length});
}

TokenError error_of(const KeySet& keys, std::string_view token) {
    auto payload = verify_signature(keys, all_algorithms, token);
    INFO(token.substr(0, 200));
    REQUIRE_FALSE(payload);
    return payload.error();
}

struct Example {
    const char* name;
    const char* jwk;
    const char* token;
};

// RFC 7515 A.1 to A.3, RFC 8037 A.4.
const std::array<Example, 4> examples = {{
    {"RFC 7515 A.1",
     R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    {"RFC 7515 A.2",
     R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
     "eyJhbGciOiJSUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
     "O8W2Fp5jujGbds9uJdb"
     "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
     "eSN9383"
     "LcOLn6_dO--xi12jzDwusC-"
     "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
     "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
    {"RFC 7515 A.3",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
     "eyJhbGciOiJFUzI1NiJ9."
     "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {"RFC 8037 A.4", R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
}};

}  // namespace

TEST_CASE("the examples of the RFCs verify, and no flipped character does") {
    const KeyDirectory directory;
    for (const auto& example : examples) {
        INFO(example.name);
        const auto keys = load(directory.write("key.jwk", example.jwk));
        const std::string token = example.token;
        CHECK(verify_signature(keys, all_algorithms, token));
        for (size_t i = 0; i < token.size(); ++i) {
            for (const char other : {'A', 'Q', '.', '='}) {
                std::string broken = token;
                if (broken[i] == other) continue;
                broken[i] = other;
                CHECK_FALSE(verify_signature(keys, all_algorithms, broken));
            }
        }
    }
}

TEST_CASE("headers that try something are refused although the signature is right") {
    const KeyDirectory directory;
    const auto keys = load(directory.write("hmac.key", secret + "\n"));
    REQUIRE(verify_signature(keys, all_algorithms, hmac_token(R"({"alg":"HS256"})")));
    REQUIRE(
        verify_signature(keys, all_algorithms, hmac_token(R"({"alg":"HS256","typ":"at+JWT","kid":"x"})")));
    struct Case {
        std::string header;
        TokenError error;
    };
    const std::vector<Case> cases = {
        {R"({"alg":"none"})", TokenError::algorithm},
        {R"({"alg":"None"})", TokenError::algorithm},
        {R"({"alg":"hs256"})", TokenError::algorithm},
        {R"({"alg":"HS512"})", TokenError::algorithm},
        {R"({"alg":["HS256"]})", TokenError::algorithm},
        {R"({"alg":null})", TokenError::algorithm},
        {R"({"typ":"JWT"})", TokenError::algorithm},
        {R"({"alg":"RS256"})", TokenError::algorithm},
        {R"({"alg":"HS256","alg":"HS256"})", TokenError::duplicate},
        {R"({"alg":"HS256","\u0061lg":"none"})", TokenError::duplicate},
        {R"({"alg":"HS256","crit":["exp"],"exp":1})", TokenError::header},
        {R"({"alg":"HS256","b64":false})", TokenError::header},
        {R"({"alg":"HS256","zip":"DEF"})", TokenError::header},
        {R"({"alg":"HS256","b64":"true"})", TokenError::header},
        {R"({"alg":"HS256","b64":true,"crit":["b64"]})", TokenError::header},
        {R"({"alg":"HS256","crit":[]})", TokenError::header},
        {R"({"alg":"HS256","crit":null})", TokenError::header},
        {R"({"alg":"HS256","enc":"A128GCM"})", TokenError::header},
        {R"({"alg":"HS256","x":1e400,"\u0078":1})", TokenError::duplicate},
        {R"({"alg":"HS256\ud83d"})", TokenError::algorithm},
        {R"({"alg":1e400})", TokenError::algorithm},
        {R"({"alg":"HS256","x":1e400,})", TokenError::malformed},
        {R"({"alg":"HS256","typ":"JWE"})", TokenError::type},
        {R"({"alg":"HS256","typ":1})", TokenError::type},
        {R"({"alg":"HS256","typ":""})", TokenError::type},
        {R"({"alg":"HS256","typ":"application/"})", TokenError::type},
        {R"({"alg":"HS256","typ":"application/application/jwt"})", TokenError::type},
        {R"({"alg":"HS256","typ":"text/jwt"})", TokenError::type},
        {R"({"alg":"HS256","typ":"JWT\u0000"})", TokenError::type},
        {R"({"alg":"HS256","typ":"dpop+jwt"})", TokenError::type},
        {R"({"alg":"HS256","typ":"logout+jwt"})", TokenError::type},
        {R"({"alg":"HS256","typ":"application/secevent+jwt"})", TokenError::type},
        {R"({"alg":"HS256","kid":1})", TokenError::malformed},
        {R"({"alg":"HS256","kid":null})", TokenError::malformed},
        {R"({"alg":"HS256","kid":["x"]})", TokenError::malformed},
        {R"({"alg":"HS256","kid":"\ud83d"})", TokenError::malformed},
        {R"({"alg":"HS256","kid":")" + std::string(10000, 'k') + "\"}", TokenError::too_long},
        {R"(["alg"])", TokenError::malformed},
        {R"({"alg":"HS256"} x)", TokenError::malformed},
        {"{\"alg\":\"HS256\",\"typ\":\"\xff\"}", TokenError::malformed},
        {"", TokenError::malformed},
    };
    for (const auto& [header, error] : cases) {
        INFO(header.substr(0, 100));
        CHECK(error_of(keys, hmac_token(header)) == error);
    }
}

// RFC 7515, sections 4.1 and 4.2: what is not understood is ignored, whatever it holds.
TEST_CASE("headers that say more than we ask are read past") {
    const KeyDirectory directory;
    const auto keys = load(directory.write("hmac.key", secret));
    for (const std::string member : {R"("typ":"JWT")",
                                     R"("typ":"jwt")",
                                     R"("typ":"application/jwt")",
                                     R"("typ":"Application/JWT")",
                                     R"("typ":"at+jwt")",
                                     R"("typ":"AT+JWT")",
                                     R"("typ":"application/at+jwt")",
                                     R"("cty":"JWT")",
                                     R"("cty":"application/json")",
                                     R"("cty":"")",
                                     R"("cty":1)",
                                     R"("jku":"https://keys.example/")",
                                     R"("jku":1)",
                                     R"("x5u":"https://keys.example/")",
                                     R"("x5c":["AAAA"])",
                                     R"("x5c":{})",
                                     R"("x5t":"AAAA")",
                                     R"("x5t#S256":"AAAA")",
                                     R"("jwk":{"kty":"oct","k":"AAAA"})",
                                     R"("jwk":"none")",
                                     R"("b64":true)",
                                     R"("iss":"x","aud":["y"])",
                                     R"("nonce":null)",
                                     R"("iat":1e400)",
                                     R"("id":123456789012345678901234)",
                                     R"("org":"\ud83d")",
                                     R"("kid":"")",
                                     R"("kid":"x")",
                                     R"("kid":"\u0000")",
                                     R"("ALG":"none")",
                                     R"("":1)"}) {
        INFO(member);
        CHECK(verify_signature(keys, all_algorithms, hmac_token(R"({"alg":"HS256",)" + member + "}")));
        CHECK(verify_signature(keys, all_algorithms, hmac_token("{" + member + R"(,"alg":"HS256"})")));
    }
    CHECK(verify_signature(keys, all_algorithms,
                           hmac_token(R"({"alg":"HS256","kid":")" + std::string(4000, 'k') + "\"}")));
}

TEST_CASE("an algorithm that the policy does not allow is refused even with the right key") {
    const KeyDirectory directory;
    const auto keys = load(directory.write("hmac.key", secret));
    constexpr std::array only_rsa = {Algorithm::RS256};
    const auto result = verify_signature(keys, only_rsa, hmac_token(R"({"alg":"HS256"})"));
    REQUIRE_FALSE(result);
    CHECK(result.error() == TokenError::algorithm);
    CHECK_FALSE(verify_signature(keys, {}, hmac_token(R"({"alg":"HS256"})")));
}

TEST_CASE("the shape of a token is exact") {
    const KeyDirectory directory;
    const auto keys = load(directory.write("hmac.key", secret));
    const std::string good = hmac_token(R"({"alg":"HS256"})");
    const auto last = good.rfind('.');
    const std::string signed_part = good.substr(0, last);
    const std::vector<std::string> malformed = {
        "",
        ".",
        "..",
        "...",
        signed_part,
        good + ".",
        good + ".x",
        good + ".x.y",
        "." + good,
        good + "=",
        good + "==",
        good + "\n",
        " " + good,
        good + std::string(1, '\0'),
        good + "AAAA!",
        signed_part + "./+8",
    };
    for (const auto& token : malformed) CHECK(error_of(keys, token) == TokenError::malformed);
    CHECK(error_of(keys, signed_part + ".") == TokenError::signature);
    CHECK(error_of(keys, good + "AAAA") == TokenError::signature);
    CHECK(error_of(keys, signed_part + "." + base64url(secret)) == TokenError::signature);
    CHECK(error_of(keys, good + std::string(max_token_bytes, 'A')) == TokenError::too_long);
}

TEST_CASE("bits behind the last byte must be zero") {
    const KeyDirectory directory;
    const auto keys = load(directory.write("hmac.key", secret));
    std::string token = hmac_token(R"({"alg":"HS256"})");  // 32 bytes: the last digit carries two idle bits
    REQUIRE(verify_signature(keys, all_algorithms, token));
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    token.back() = digits.at(digits.find(token.back()) + 1);
    CHECK(error_of(keys, token) == TokenError::malformed);
}

TEST_CASE("a public key is never the secret of an HMAC") {
    const KeyDirectory directory;
    const std::string pem =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
        "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
        "-----END PUBLIC KEY-----\n";
    const auto keys = load(directory.write("key.pem", pem, 0644));
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256"})", "{}", pem)) == TokenError::algorithm);
    CHECK(verify_signature(keys, all_algorithms, examples[2].token));
}

TEST_CASE("a kid names one key of a set that has kids") {
    const KeyDirectory directory;
    const std::string k1 = base64url(secret);
    const std::string k2 = base64url("ffffffffffffffffffffffffffffffff");
    const auto keys =
        load(directory.write("set.jwks", R"({"keys":[{"kty":"oct","kid":"a","k":")" + k2 +
                                             R"("},{"kty":"oct","kid":"b","k":")" + k1 +
                                             R"("},{"kty":"EC","kid":"ec","crv":"P-256",)"
                                             R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                                             R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})"));
    CHECK(verify_signature(keys, all_algorithms, hmac_token(R"({"alg":"HS256","kid":"b"})")));
    CHECK(verify_signature(keys, all_algorithms, hmac_token(R"({"alg":"HS256"})")));
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":"a"})")) == TokenError::signature);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":"ec"})")) == TokenError::algorithm);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":""})")) == TokenError::unknown_key);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":"../../etc/passwd"})")) ==
          TokenError::unknown_key);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":"b' OR 1=1"})")) == TokenError::unknown_key);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":"b\u0000"})")) == TokenError::unknown_key);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":")" + std::string(257, 'k') + "\"}")) ==
          TokenError::unknown_key);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":")" + std::string(4000, 'k') + "\"}")) ==
          TokenError::unknown_key);
}

// RFC 7517, section 4.5.
TEST_CASE("keys with one kid are alternatives") {
    const KeyDirectory directory;
    const auto oct = [](const std::string& bytes) {
        return R"({"kty":"oct","kid":"a","k":")" + base64url(bytes) + "\"}";
    };
    const std::string ec =
        R"({"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
    const std::string other = std::string(31, 'f');
    const auto keys =
        load(directory.write("set.jwks", "{\"keys\":[" + oct(other + "1") + "," + ec + "," + oct(secret) +
                                             R"(,{"kty":"oct","k":")" + base64url(other + "2") + "\"}]}"));
    REQUIRE(keys.keys().size() == 4);
    const std::string header = R"({"alg":"HS256","kid":"a"})";
    CHECK(verify_signature(keys, all_algorithms, hmac_token(header)));
    CHECK(verify_signature(keys, all_algorithms, hmac_token(header, "{}", other + "1")));
    CHECK(error_of(keys, hmac_token(header, "{}", other + "2")) == TokenError::signature);
    CHECK(error_of(keys, hmac_token(header, "{}", other + "3")) == TokenError::signature);
    CHECK(error_of(keys, hmac_token(R"({"alg":"HS256","kid":""})", "{}", other + "2")) ==
          TokenError::unknown_key);
    for (const std::string& known : {ec, std::string("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")})
        CHECK(error_of(keys, hmac_token(header, "{}", known)) == TokenError::signature);
    CHECK(error_of(keys, hmac_token(R"({"alg":"ES256","kid":"a"})")) == TokenError::signature);
    CHECK(error_of(keys, hmac_token(R"({"alg":"RS256","kid":"a"})")) == TokenError::algorithm);

    // Not more signatures are tried for one token than where it names no key.
    std::string many;
    for (int i = 0; i < 8; ++i) many += oct(std::string(31, 'g') + static_cast<char>('a' + i)) + ",";
    const auto bounded = load(directory.write("many.jwks", "{\"keys\":[" + many + oct(secret) + "]}"));
    CHECK(error_of(bounded, hmac_token(header)) == TokenError::signature);
}

TEST_CASE("one key set serves many threads") {
    const KeyDirectory directory;
    for (const auto algorithm : all_algorithms) {
        const auto path = directory.write("new.jwks", *generate_key(algorithm));
        const auto keys = load(path);
        const auto token = sign_token(path, R"({"sub":"alice"})", "");
        REQUIRE(token);
        std::array<int, 4> good{};
        std::vector<std::thread> threads;
        for (auto& count : good) {
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i)
                    count += verify_signature(keys, all_algorithms, *token).ok() ? 1 : 0;
            });
        }
        for (auto& thread : threads) thread.join();
        CHECK(good == std::array{50, 50, 50, 50});
    }
}
