#include <openssl/evp.h>

#include <array>
#include <stdexcept>

#include "daemon/broker/redis/scripts.h"

namespace wayleave {

RedisScript::RedisScript(std::string_view text) : text_(text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-1");
    for (unsigned int i = 0; i < size; ++i) {
        hash_ += digits[digest.at(i) >> 4U];
        hash_ += digits[digest.at(i) & 15U];
    }
}

std::array<const RedisScript*, 13> all_scripts() {
    return {&publish_script(), &read_script(),     &cursor_script(),  &tops_script(),  &adopt_script(),
            &beat_script(),    &presence_script(), &present_script(), &sweep_script(), &seat_script(),
            &place_script(),   &ban_script(),      &bans_script()};
}

}  // namespace wayleave
