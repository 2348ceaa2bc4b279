#include "daemon/identity/key_set.h"

#include <openssl/evp.h>
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
    INFO(keys.error().text());
    CHECK(keys.error().text().find(path) == 0);
    CHECK(keys.error().text().find(text) != std::string::npos);
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
        INFO((keys ? "" : keys.error().text()));
        REQUIRE(keys);
        REQUIRE(other);
        const auto token = sign_token(path, R"({"sub":"alice"})", keys->keys()[0].kid());
        INFO((token ? "" : token.error()));
        REQUIRE(token);
        CHECK(verify_signature(*keys, all_algorithms, *token)->payload == R"({"sub":"alice"})");
        CHECK_FALSE(verify_signature(*other, all_algorithms, *token));
        CHECK_FALSE(sign_token(path, "{}", "2"));
    }
}

TEST_CASE("a new key is named as asked, or by its thumbprint") {
    const KeyDirectory directory;
    for (const auto algorithm : all_algorithms) {
        INFO(to_string(algorithm));
        const auto path = directory.write("named.jwks", *generate_key(algorithm, "mine \"\\ä"));
        CHECK(KeySet::load(path)->keys()[0].kid() == "mine \"\\ä");
        CHECK(sign_token(path, "{}", "mine \"\\ä"));

        const std::string text = *generate_key(algorithm);
        const auto member = [&](const std::string& name) {
            const size_t at = text.find("\"" + name + "\":\"") + name.size() + 4;
            return "\"" + name + "\":\"" + text.substr(at, text.find('"', at) - at) + "\"";
        };
        std::string required;  // RFC 7638, section 3.2: in the order of the alphabet
        for (const auto& name : algorithm == Algorithm::HS256   ? std::vector<std::string>{"k", "kty"}
                                : algorithm == Algorithm::RS256 ? std::vector<std::string>{"e", "kty", "n"}
                                : algorithm == Algorithm::ES256
                                    ? std::vector<std::string>{"crv", "kty", "x", "y"}
                                    : std::vector<std::string>{"crv", "kty", "x"})
            required += (required.empty() ? "" : ",") + member(name);
        required = "{" + required + "}";
        std::array<unsigned char, 32> digest{};
        unsigned int size = 0;
        REQUIRE(EVP_Digest(required.data(), required.size(), digest.data(), &size, EVP_sha256(), nullptr) ==
                1);
        INFO(required);
        CHECK(member("kid") ==
              "\"kid\":\"" + base64url({reinterpret_cast<const char*>(digest.data()), size}) + "\"");
    }
    CHECK_FALSE(generate_key(Algorithm::HS256, std::string(257, 'k')));
    CHECK_FALSE(generate_key(Algorithm::HS256, "\xff"));
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
            INFO((keys ? "" : keys.error().text()));
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
    for (const mode_t mode : {0604U, 0620U, 0660U, 0602U, 0644U}) {
        check_error(directory.write("a.jwk", oct, mode),
                    "is open to others than its owner and the daemon's own group; run chmod 600");
        check_error(directory.write("b.key", k32, mode), "E017");
        check_error(directory.write("c.jwks", *generate_key(Algorithm::EdDSA), mode), "chmod 600");
    }
    CHECK(KeySet::load(directory.write("d.jwk", oct, 0600)));
    // As Kubernetes mounts secrets for an fsGroup.
    CHECK(KeySet::load(directory.write("e.jwk", oct, 0440)));
    const std::string foreign = directory.write("f.jwk", oct, 0440);
    if (chown(foreign.c_str(), static_cast<uid_t>(-1), 54321) == 0)
        check_error(foreign, "the daemon's own group");  // only root can try
    const char* open_key =
        R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
    CHECK(KeySet::load(directory.write("e.jwk", open_key, 0644)));
}

TEST_CASE("broken key files say what is wrong") {
    const KeyDirectory directory;
    check_error(directory.path() + "/missing", "No such file");
    const auto as_a_setting = KeySet::load(directory.path() + "/credential:app.key");
    REQUIRE(!as_a_setting);
    CHECK(as_a_setting.error().remedy == "in a policy it is written `file credential \"app.key\"`");
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
        {R"({"kty":"oct","k":")" + k32 + "==\"}", "base64url"},
        {R"({"kty":"oct","k":"=)" + k32 + "\"}", "base64url"},
        {R"({"kty":"oct","k":"===="})", "base64url"},
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
        {R"({"keys":[{"kty":"oct","k":"AAAA"}]})", "key 1: is an HMAC secret of 3 bytes"},
        {R"({"keys":[{"kty":"new"},{"kty":"oct","k":"AAAA"}]})", "key 1: is of a kind"},
        {"{\"keys\":[" + oct + R"(,"use":"enc"}]})", "key 1: \"use\""},
    };
    for (const auto& [text, error] : jwks) check_error(directory.write("broken.jwks", text), error);

    std::string many = "{\"keys\":[";
    for (int i = 0; i < 501; ++i) many += (i == 0 ? "" : ",") + oct + "}";
    check_error(directory.write("many.jwks", many + "]}"), "more than 500");
}

// RFC 7517, section 5: sets are read by many.
TEST_CASE("what of a set in a file is taken") {
    const KeyDirectory directory;
    const std::string oct = R"("kty":"oct","k":")";
    const std::string good = "{" + oct + k32 + R"(","kid":"good"})";
    const auto load = [&](const std::string& others, mode_t mode = 0600) {
        return KeySet::load(directory.write("set.jwks", "{\"keys\":[" + others + "," + good + "]}", mode));
    };
    struct Case {
        std::string key;
        std::string told;
    };
    for (const auto& [key, told] : std::vector<Case>{
             {R"({"kty":"AKP","kid":"pq"})",
              "key 1 (kid \"pq\"): is of a kind or curve that is not supported"},
             {R"({"kty":"EC","crv":"P-521","x":"AA","y":"AA"})", "key 1: is of a kind"},
             {R"({"kty":"OKP","crv":"X25519","x":"AA"})", "key 1: is of a kind"},
             {R"({"kid":"\u001b[2J\nroot"})", R"(key 1 (kid "\x1B[2J\x0Aroot"): has no "kty")"},
             {"{" + oct + k32 + R"(","use":"enc","kid":"e"})", "key 1 (kid \"e\"): \"use\" is not \"sig\""},
             {"{" + oct + k32 + R"(","key_ops":["encrypt"]})", "key 1: \"key_ops\""},
             {"{" + oct + k32 + R"(","key_ops":"verify"})", "key 1: \"key_ops\""},
             {"{" + oct + k32 + R"(","alg":"HS512"})", "key 1: \"alg\""},
             {"{" + oct + k32 + R"(","kid":7})", "key 1: \"kid\""},
             {"{" + oct + k32 + R"(","kid":")" + std::string(300, 'k') + "\"}", "key 1 (kid \"kkk"},
             {"{" + oct + k32 + R"(","kid":"a","\u006bid":"b"})", "a member stands twice"},
             {"{" + oct + R"(AAAA"})", "key 1: is an HMAC secret of 3 bytes"},
             {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "key 1: is "},
         }) {
        INFO(key);
        const auto keys = load(key);
        REQUIRE(keys);
        CHECK(keys->keys().size() == 1);
        CHECK(keys->keys()[0].kid() == "good");
        REQUIRE(keys->left_out().size() == 1);
        INFO(keys->left_out()[0].text());
        CHECK(keys->left_out()[0].text().find(told) != std::string::npos);
        CHECK(keys->left_out()[0].text().size() < 300);
    }
    const auto count = [&](const std::string& others) {
        const auto keys = load(others);
        return keys && keys->left_out().empty() ? static_cast<int>(keys->keys().size()) : -1;
    };
    const std::string other = base64url(std::string(32, 'o'));
    CHECK(count(good) == 1);  // the same key
    CHECK(count("{" + oct + other + R"(","kid":"good"})") == 2);
    CHECK(count("{" + oct + k32 + R"(","kid":"another"})") == 2);
    CHECK(count("{" + oct + other + R"(=","kid":"padded"})") == 2);
    CHECK(count("{" + oct + other + R"(","kid":"","key_ops":["sign","verify"]})") == 2);
    CHECK(count("{" + oct + other + R"(","nbf":1e400,"note":"\ud83d","x5c":[123456789012345678901]})") == 2);

    std::string many;
    for (int i = 10; i < 62; ++i)
        many += (i == 10 ? "{" : ",{") + oct + base64url(std::string(30, 'm') + std::to_string(i)) + "\"}";
    const auto first = load(many);
    REQUIRE(first);
    CHECK(first->keys().size() == 50);
    REQUIRE(first->left_out().size() == 3);
    CHECK(first->left_out()[2].text().find("key 53 (kid \"good\"): stands behind 50 others") == 0);

    // What is left out is a secret all the same.
    const char* ed =
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},)";
    for (const char* secret :
         {R"({"kty":"oct","use":"enc","k":"AAAA"}]})", R"({"kty":"EC","crv":"P-384","d":"AA"}]})"}) {
        check_error(directory.write("open.jwks", std::string(ed) + secret, 0644), "E017");
        CHECK(KeySet::load(directory.write("hidden.jwks", std::string(ed) + secret)));
    }
}

TEST_CASE("padding in a key is read past") {
    const KeyDirectory directory;
    for (const auto& [x, y] :
         {std::pair{"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=",
                    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0="},
          {"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0="}}) {
        const std::string jwk =
            std::string(R"({"kty":"EC","crv":"P-256","x":")") + x + R"(","y":")" + y + "\"}";
        CHECK(KeySet::load(directory.write("k.jwk", jwk)));
    }
    const auto text = generate_key(Algorithm::ES256);
    REQUIRE(text);
    const size_t d = text->find("\"d\":\"") + 5;
    std::string padded = *text;
    padded.insert(padded.find('"', d), "=");
    const auto path = directory.write("private.jwks", padded);
    const auto token = sign_token(path, "{}", "");
    REQUIRE(token);
    CHECK(verify_signature(*KeySet::load(path), all_algorithms, *token));
}
