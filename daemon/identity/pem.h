// PEM text to an OpenSSL key. Private header of daemon/identity.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include <memory>
#include <string_view>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_error.h"

namespace wayleave {

struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreePkey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using Pkey = std::unique_ptr<EVP_PKEY, FreePkey>;

struct PemKey {
    Pkey key;
    bool is_private = false;
};

// The one key of the text. Of a chain of certificates the first counts. Errors come without the file.
KeyResult<PemKey> parse_pem(std::string_view text);

// RSA of at least 2048 bits, P-256, Ed25519; anything else is an error.
KeyResult<Algorithm> algorithm_of(const EVP_PKEY* key);

}  // namespace wayleave
