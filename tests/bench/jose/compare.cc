// The same tokens before four verifiers: ours, and the JOSE libraries that Debian has. A table of what each
// takes, and of what it costs. The results are in daemon/identity/README.md.
#include <cjose/cjose.h>
#include <fmt/format.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rhonabwy.h>

// Its headers are for C alone.
extern "C" {
#include <jose/jose.h>
}

#include <array>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/identity/base64url.h"
#include "daemon/identity/verify.h"
#include "tests/unit/identity/key_fixture.h"

using namespace wayleave;

namespace {

constexpr std::array all_algorithms = {Algorithm::HS256, Algorithm::RS256, Algorithm::ES256,
                                       Algorithm::EdDSA};

struct Vector {
    std::string name;
    std::string jwk;
    std::string token;
    bool good = false;
};

// --- the four; false also where a library refuses the key ---

bool ours(const Vector& vector) {
    static std::map<std::string, KeySet> loaded;  // as the daemon does: keys are read once
    static const KeyDirectory directory;
    auto it = loaded.find(vector.jwk);
    if (it == loaded.end()) {
        auto keys = KeySet::load(directory.write("k.jwk", vector.jwk));
        it = loaded.emplace(vector.jwk, keys ? std::move(*keys) : KeySet()).first;
    }
    return verify_signature(it->second, all_algorithms, vector.token).ok();
}

bool rhonabwy(const Vector& vector) {
    jwk_t* jwk = nullptr;
    jws_t* jws = nullptr;
    r_jwk_init(&jwk);
    r_jws_init(&jws);
    const bool good = r_jwk_import_from_json_str(jwk, vector.jwk.c_str()) == RHN_OK &&
                      r_jws_compact_parse(jws, vector.token.c_str(), 0) == RHN_OK &&
                      r_jws_verify_signature(jws, jwk, 0) == RHN_OK;
    r_jws_free(jws);
    r_jwk_free(jwk);
    return good;
}

bool cjose(const Vector& vector) {
    cjose_err error{};
    cjose_jwk_t* jwk = cjose_jwk_import(vector.jwk.data(), vector.jwk.size(), &error);
    cjose_jws_t* jws = cjose_jws_import(vector.token.data(), vector.token.size(), &error);
    const bool good = jwk && jws && cjose_jws_verify(jws, jwk, &error);
    if (jws) cjose_jws_release(jws);
    if (jwk) cjose_jwk_release(jwk);
    return good;
}

// It writes to standard error what it does not like.
jose_cfg_t* silent() {
    static jose_cfg_t* const cfg = [] {
        jose_cfg_t* made = jose_cfg();
        jose_cfg_set_err_func(
            made, [](void*, const char*, int, uint64_t, const char*, va_list) {}, nullptr);
        return made;
    }();
    return cfg;
}

bool libjose(const Vector& vector) {
    const size_t first = vector.token.find('.');
    const size_t second = vector.token.find('.', first + 1);
    if (first == std::string::npos || second == std::string::npos) return false;
    json_t* jwk = json_loads(vector.jwk.c_str(), 0, nullptr);
    json_t* jws = json_pack("{s:s%,s:s%,s:s}", "protected", vector.token.data(), first, "payload",
                            vector.token.data() + first + 1, second - first - 1, "signature",
                            vector.token.c_str() + second + 1);
    const bool good = jwk && jws && jose_jws_ver(silent(), jws, nullptr, jwk, false);
    json_decref(jwk);
    json_decref(jws);
    return good;
}

struct Verifier {
    const char* name;
    bool (*verify)(const Vector&);
};
constexpr std::array<Verifier, 4> verifiers{
    {{"wayleave", ours}, {"rhonabwy", rhonabwy}, {"cjose", cjose}, {"libjose", libjose}}};

// --- the tokens ---

const std::string oct =
    R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})";
const std::string rsa =
    R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})";
const std::string ec =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
const std::string ed = R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
const std::string joe =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
const std::string rs256 =
    "eyJhbGciOiJSUzI1NiJ9." + joe +
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
    "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
    "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
    "wlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const std::string es256 =
    "eyJhbGciOiJFUzI1NiJ9." + joe +
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const std::string eddsa =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

// Rightly signed with HS256, whatever the header says.
std::string hmac(const std::string& header) {
    const std::string data = base64url(header) + "." + base64url(R"({"sub":"alice"})");
    const std::string secret = *decode_base64url(oct.substr(18, oct.size() - 20));
    std::array<unsigned char, 32> mac{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(data.data()), data.size(), mac.data(), &size);
    return data + "." + base64url({reinterpret_cast<const char*>(mac.data()), size});
}

std::string with_signature(const std::string& token, const std::function<std::string(std::string)>& change) {
    const size_t last = token.rfind('.') + 1;
    return token.substr(0, last) + base64url(change(*decode_base64url(token.substr(last))));
}

// What an RSA signature is to decrypt to; with the exponent 1 it is the signature.
std::string padded_digest(const std::string& data) {
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
    constexpr std::string_view info{
        "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20", 19};
    std::string out("\0\1", 2);
    out.append(256 - 3 - info.size() - size, '\xff').append(1, '\0').append(info);
    return out.append(reinterpret_cast<const char*>(digest.data()), size);
}

std::vector<Vector> vectors() {
    const std::string zeros(32, '\0');
    std::vector<Vector> out = {
        {"HS256", oct, hmac(R"({"alg":"HS256"})"), true},
        {"RS256", rsa, rs256, true},
        {"ES256", ec, es256, true},
        {"EdDSA", ed, eddsa, true},
        {"alg none, no signature", oct, base64url(R"({"alg":"none"})") + ".e30.", false},
        {"alg missing", oct, hmac("{}"), false},
        {"HS256 for a public key", ec, hmac(R"({"alg":"HS256"})"), false},
        {"unknown crit", oct, hmac(R"({"alg":"HS256","crit":["x"],"x":1})"), false},
        {"b64 = false", oct, hmac(R"({"alg":"HS256","crit":["b64"],"b64":false})"), false},
        {"alg twice", oct, hmac(R"({"alg":"none","alg":"HS256"})"), false},
        {"embedded jwk", oct, hmac(R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})"), false},
        {"zip = DEF", oct, hmac(R"({"alg":"HS256","zip":"DEF"})"), false},
        {"header with a tail", oct, hmac(R"({"alg":"HS256"} x)"), false},
        {"five segments", oct, hmac(R"({"alg":"HS256"})") + ".e30.e30", false},
        {"padding", oct, hmac(R"({"alg":"HS256"})") + "=", false},
        {"a line end behind it", oct, hmac(R"({"alg":"HS256"})") + "\n", false},
        {"ES256 of zeros", ec, with_signature(es256, [&](auto) { return zeros + zeros; }), false},
        {"ES256, 65 bytes", ec, with_signature(es256, [](auto s) { return s + '\0'; }), false},
        {"ES256, zeros before r", ec,
         with_signature(es256, [](auto s) { return '\0' + s.substr(0, 32) + '\0' + s.substr(32); }), false},
        {"EdDSA, 65 bytes", ed, with_signature(eddsa, [](auto s) { return s + '\0'; }), false},
        {"RS256, a zero in front", rsa, with_signature(rs256, [](auto s) { return '\0' + s; }), false},
        {"RSA with e = 1", R"({"kty":"RSA","n":")" + rsa.substr(18, 342) + R"(","e":"AQ"})",
         with_signature(rs256, [](auto) { return padded_digest(rs256.substr(0, rs256.rfind('.'))); }), false},
    };
    // Idle bits behind the last byte: two texts for one signature.
    std::string idle = hmac(R"({"alg":"HS256"})");
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    idle.back() = digits.at(digits.find(idle.back()) + 1);
    out.push_back({"idle bits", oct, idle, false});
    return out;
}

double microseconds(bool (*verify)(const Vector&), const Vector& vector) {
    constexpr int rounds = 500;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) (void)verify(vector);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    return took.count() / rounds;
}

}  // namespace

int main() {
    std::string head = fmt::format("{:28}", "");
    for (const Verifier& verifier : verifiers) head += fmt::format("{:>10}", verifier.name);
    std::puts(head.c_str());
    const std::vector<Vector> all = vectors();
    for (const Vector& vector : all) {
        std::string line = fmt::format("{:28}", vector.name);
        for (const Verifier& verifier : verifiers) {
            const bool took = verifier.verify(vector);
            line += fmt::format("{:>10}", took == vector.good ? "right" : (took ? "TAKES IT" : "REFUSES"));
        }
        std::puts(line.c_str());
    }
    for (size_t i = 0; i < 4; ++i) {
        std::string line = fmt::format("{:28}", all[i].name + ", us");
        for (const Verifier& verifier : verifiers)
            line += fmt::format("{:>10.1f}", microseconds(verifier.verify, all[i]));
        std::puts(line.c_str());
    }
}
