// A key file as read from disk, before anyone knows what keys are in it. Owns the bytes and wipes them.
// Blocking I/O: for start-up, reload and the command line, never for the loop.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/identity/key_error.h"

namespace wayleave {

constexpr size_t max_key_file_bytes = 64 * 1024;
constexpr size_t min_hmac_secret_bytes = 32;  // RFC 7518, section 3.2: no shorter than the hash

// Bytes that are wiped when they go. Not copyable and not printable by accident.
class SecretText {
  public:
    SecretText() = default;
    explicit SecretText(std::string bytes) : bytes_(std::move(bytes)) {}
    SecretText(SecretText&& other) noexcept;
    SecretText& operator=(SecretText&& other) noexcept;
    SecretText(const SecretText&) = delete;
    SecretText& operator=(const SecretText&) = delete;
    ~SecretText() { wipe(); }

    [[nodiscard]] std::string_view view() const { return bytes_; }

  private:
    void wipe() noexcept;

    std::string bytes_;
};

enum class KeyFileKind {
    json,    // a JWKS or a single JWK
    pem,     // public key, certificate or private key
    secret,  // the raw bytes of an HMAC secret
};

struct KeyFile {
    std::string path;
    KeyFileKind kind = KeyFileKind::secret;
    bool exposed = false;  // group or others may read or write it
    SecretText text;       // for a secret: without the one newline that editors add
};

// Errors name the path.
KeyResult<KeyFile> read_key_file(const std::string& path);

// To be asked as soon as secret material was found in the file.
KeyStatus refuse_if_exposed(const KeyFile& file);

}  // namespace wayleave
