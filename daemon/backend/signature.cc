#include "daemon/backend/signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace wayleave {

Result<std::string> signature_of(std::string_view secret, int64_t wall_ms, std::string_view method,
                                 std::string_view path, std::string_view body) {
    const int64_t seconds = wall_ms / 1000;
    const std::string text = fmt::format("{}\n{}\n{}\n{}", seconds, method, path, body);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int size = 0;
    if (!HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size)) {
        return failure("OpenSSL offers no HMAC with SHA-256; check its configuration");
    }
    std::string out = fmt::format("t={},v1=", seconds);
    for (size_t i = 0; i < size; ++i) out += fmt::format("{:02x}", mac[i]);
    return out;
}

}  // namespace wayleave
