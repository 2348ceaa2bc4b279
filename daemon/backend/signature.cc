#include "daemon/backend/signature.h"

#include <absl/strings/escaping.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "daemon/base/json_writer.h"
#include "daemon/identity/key_file.h"
#include "daemon/identity/sign.h"

namespace wayleave {
namespace {

constexpr int64_t identity_s = 60;

absl::string_view text_of(const std::array<unsigned char, EVP_MAX_MD_SIZE>& bytes, unsigned int size) {
    return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

Result<std::string> webhook_signature(const std::vector<std::shared_ptr<const SecretText>>& keys,
                                      std::string_view id, int64_t seconds, std::string_view body) {
    std::string text(id);
    text.append(".").append(std::to_string(seconds)).append(".").append(body);
    std::string out;
    for (const auto& key : keys) {
        const std::string_view secret = key->view();
        std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
        unsigned int size = 0;
        if (!HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                  reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size)) {
            return failure("OpenSSL offers no HMAC with SHA-256; check its configuration");
        }
        if (!out.empty()) out += ' ';
        out += "v1," + absl::Base64Escape(text_of(mac, size));
    }
    return out;
}

Result<std::string> identity_token(const BackendRequest& request, int64_t seconds) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned int size = 0;
    if (EVP_Digest(request.body.data(), request.body.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1)
        return failure("OpenSSL offers no SHA-256; check its configuration");
    std::string bsh;
    absl::WebSafeBase64Escape(text_of(hash, size), &bsh);
    while (bsh.ends_with('=')) bsh.pop_back();
    std::string claims = JsonObject()
                             .add("iss", "wayleave")
                             .add("aud", request.backend->name)
                             .add("jti", request.id)
                             .add("iat", seconds)
                             .add("exp", seconds + identity_s)
                             .add("bsh", bsh)
                             .text();
    claims.pop_back();
    claims.append(",").append(request.identity).append("}");
    return sign_token(*request.backend->sign.front(), claims);
}

}  // namespace wayleave
