#include "daemon/identity/key_set.h"

#include <catch2/catch.hpp>

#include <array>
#include <vector>

#include "daemon/identity/base64url.h"
#include "daemon/identity/sign.h"
#include "daemon/identity/verify.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

constexpr std::array all_algorithms = {Algorithm::HS256, Algorithm::RS256, Algorithm::ES256,
                                       Algorithm::EdDSA};
const std::string k32 = base64url("0123456789abcdef0123456789abcdef");

bool openssl(const std::string& arguments) {
    return std::system(("openssl " + arguments + " >/dev/null 2>&1").c_str()) == 0;
}

void check_error(const std::string& path, const std::string& text) {
    const auto keys = KeySet::load(path);
    INFO(path << " must say " << text);
    REQUIRE_FALSE(keys);
    INFO(keys.error());
    CHECK(keys.error().find(path) == 0);
    CHECK(keys.error().find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("algorithms have exactly the names of the RFCs") {
    for (const auto algorithm : all_algorithms) CHECK(algorithm_from(to_string(algorithm)) == algorithm);
    for (const char* name : {"none", "None", "", "hs256", "HS256 ", "HS384", "PS256", "ES256K", "Ed25519"}) {
        CHECK_FALSE(algorithm_from(name));
    }
}

TEST_CASE("base64url is strict") {
    CHECK(decode_base64url("") == "");
    CHECK(decode_base64url("Zg") == "f");
    CHECK(decode_base64url("Zm9vYmFy") == "foobar");
    CHECK(decode_base64url("_-8") == "\xff\xef");
    CHECK(decode_base64url("Zm8") == "fo");
    for (const char* text : {"Z", "Zh", "Zm9", "Zg==", "Zm9v\n", "+/8", "Zm 9v", "Zm9vY", "Zm-"}) {
        INFO(text);
        CHECK_FALSE(decode_base64url(text));
    }
}

TEST_CASE("a generated key signs and verifies, and another one does not") {
    const KeyDirectory directory;
    for (const auto algorithm : all_algorithms) {
        INFO(to_string(algorithm));
        const auto text = generate_key(algorithm);
        REQUIRE(text);
        const auto path = directory.write("key.jwks", *text);
        const auto other = KeySet::load(directory.write("other.jwks", *generate_key(algorithm)));
        const auto keys = KeySet::load(path);
        INFO((keys ? "" : keys.error()));
        REQUIRE(keys);
        REQUIRE(other);
        const auto token = sign_token(path, R"({"sub":"alice"})", "1");
        INFO((token ? "" : token.error()));
        REQUIRE(token);
        CHECK(verify_signature(*keys, all_algorithms, *token).value() == R"({"sub":"alice"})");
        CHECK_FALSE(verify_signature(*other, all_algorithms, *token));
        CHECK_FALSE(sign_token(path, "{}", "2"));
    }
}

TEST_CASE("PEM keys of all kinds sign with the private and verify with the public half") {
    const KeyDirectory directory;
    const std::string base = directory.path() + "/";
    const std::vector<std::pair<std::string, Algorithm>> kinds = {
        {"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", Algorithm::RS256},
        {"ecparam -genkey -name prime256v1", Algorithm::ES256},
        {"genpkey -algorithm ED25519", Algorithm::EdDSA},
    };
    for (const auto& [arguments, algorithm] : kinds) {
        INFO(arguments);
        REQUIRE(openssl(arguments + " -out " + base + "private.pem"));
        chmod((base + "private.pem").c_str(), 0600);
        REQUIRE(openssl("pkey -pubout -in " + base + "private.pem -out " + base + "public.pem"));
        REQUIRE(openssl("req -new -x509 -subj /CN=x -key " + base + "private.pem -out " + base + "cert.pem"));
        const auto token = sign_token(base + "private.pem", R"({"sub":"bob"})", "any");
        INFO((token ? "" : token.error()));
        REQUIRE(token);
        for (const char* name : {"private.pem", "public.pem", "cert.pem"}) {
            const auto keys = KeySet::load(base + name);
            INFO((keys ? "" : keys.error()));
            REQUIRE(keys);
            CHECK(keys->keys()[0].algorithm() == algorithm);
            CHECK(verify_signature(*keys, all_algorithms, *token));
        }
        CHECK_FALSE(sign_token(base + "public.pem", "{}", ""));
    }
}

TEST_CASE("an HMAC file is its bytes without one newline") {
    const KeyDirectory directory;
    const std::string secret(32, 's');
    const auto path = directory.write("hmac.key", secret + "\n");
    const auto token = sign_token(path, "{}", "");
    REQUIRE(token);
    for (const auto& text : {secret, secret + "\n"}) {
        const auto keys = KeySet::load(directory.write("again.key", text));
        REQUIRE(keys);
        CHECK(verify_signature(*keys, all_algorithms, *token));
    }
    const auto keys = KeySet::load(directory.write("again.key", secret + "\n\n"));
    REQUIRE(keys);
    CHECK_FALSE(verify_signature(*keys, all_algorithms, *token));
    CHECK_FALSE(sign_token(path, "[1]", ""));
    CHECK_FALSE(sign_token(path, "{} {}", ""));
}

TEST_CASE("secret material that others may read or write is refused") {
    const KeyDirectory directory;
    const std::string oct = R"({"kty":"oct","k":")" + k32 + "\"}";
    for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0644U}) {
        check_error(directory.write("a.jwk", oct, mode), "is readable by group or others; run chmod 600");
        check_error(directory.write("b.key", k32, mode), "E017");
        check_error(directory.write("c.jwks", *generate_key(Algorithm::EdDSA), mode), "chmod 600");
    }
    CHECK(KeySet::load(directory.write("d.jwk", oct, 0600)));
    const char* open_key =
        R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
    CHECK(KeySet::load(directory.write("e.jwk", open_key, 0644)));
}

TEST_CASE("broken key files say what is wrong") {
    const KeyDirectory directory;
    check_error(directory.path() + "/missing", "No such file");
    check_error(directory.path(), "not a regular file");
    check_error(directory.write("big", std::string(max_token_bytes * 9, 'x')), "larger than 64 KiB");
    check_error(directory.write("empty", ""), "is empty");
    check_error(directory.write("short", std::string(31, 's')), "31 bytes");
    check_error(directory.write("newline", std::string(31, 's') + "\n"), "31 bytes");
    check_error(directory.write("der",
                                "\x30\x03"
                                "abc"),
                "is DER");
    check_error(directory.write("ssh", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice@example"), "OpenSSH");
    check_error(directory.write("a.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
                "cannot be read");
    check_error(directory.write("b.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"), "encrypted");
    const std::string base = directory.path() + "/";
    REQUIRE(openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out " + base + "weak.pem"));
    chmod((base + "weak.pem").c_str(), 0600);
    check_error(base + "weak.pem", "RSA of 1024 bits");
    REQUIRE(openssl("ecparam -genkey -name secp384r1 -out " + base + "p384.pem"));
    check_error(base + "p384.pem", "not supported");

    const std::string oct = R"({"kty":"oct","k":")" + k32 + "\"";
    const std::vector<std::pair<std::string, std::string>> jwks = {
        {"[]", "not a JSON object"},
        {"{", "not a JSON object"},
        {R"({"keys":[]})", "is empty"},
        {R"({"keys":{}})", "not an array"},
        {R"({"keys":[1]})", "key 1: is not a JSON object"},
        {R"({"k":"AA"})", "no \"kty\""},
        {R"({"kty":"XYZ"})", "not supported"},
        {R"({"kty":"oct","k":"AAAA"})", "3 bytes"},
        {R"({"kty":"oct","k":")" + k32 + "=\"}", "base64url"},
        {R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})", "not supported"},
        {R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})", "not a valid key"},
        {R"({"kty":"OKP","crv":"X25519","x":"AA"})", "not supported"},
        {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "RSA of"},
        {R"({"kty":"RSA","e":"AQAB","x5u":"https://example.org/"})", "\"n\" is missing"},
        {oct + R"(,"alg":"RS256"})", "\"alg\" does not suit"},
        {oct + R"(,"alg":"none"})", "\"alg\" does not suit"},
        {oct + R"(,"use":"enc"})", "\"use\""},
        {oct + R"(,"key_ops":["encrypt"]})", "key_ops"},
        {oct + R"(,"kid":7})", "\"kid\""},
        {oct + R"(,"kty":"oct"})", "twice"},
        {"{\"keys\":[" + oct + R"(,"kid":"a"},)" + oct + R"(,"kid":"a"}]})",
         "key 2: has a \"kid\" of an earlier"},
    };
    for (const auto& [text, error] : jwks) check_error(directory.write("broken.jwks", text), error);

    std::string many = "{\"keys\":[";
    for (int i = 0; i < 51; ++i) many += (i == 0 ? "" : ",") + oct + "}";
    check_error(directory.write("many.jwks", many + "]}"), "more than 50");
}
