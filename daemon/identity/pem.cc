#include "daemon/identity/pem.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>

namespace wayleave {

namespace {

struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreeCertificate {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct FreeDecoder {
    void operator()(OSSL_DECODER_CTX* decoder) const noexcept { OSSL_DECODER_CTX_free(decoder); }
};

struct Block {
    std::string_view label;  // "PUBLIC KEY"
    std::string_view text;   // from -----BEGIN to the end of the file
};

constexpr std::string_view begin_mark = "-----BEGIN ";

// `from` is moved past the block's first line.
bool next_block(std::string_view text, size_t& from, Block& block) {
    const size_t start = text.find(begin_mark, from);
    if (start == std::string_view::npos) return false;
    const size_t name = start + begin_mark.size();
    const size_t end = text.find("-----", name);
    if (end == std::string_view::npos) return false;
    block = {text.substr(name, end - name), text.substr(start)};
    from = end;
    return true;
}

bool is_encrypted(const Block& block) {
    const auto body = block.text.substr(0, block.text.find("-----END"));
    return block.label.starts_with("ENCRYPTED") ||
           body.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
}

Pkey from_certificate(std::string_view text) {
    const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    const std::unique_ptr<X509, FreeCertificate> certificate(PEM_read_bio_X509(
        bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
    return certificate ? Pkey(X509_get_pubkey(certificate.get())) : nullptr;
}

Pkey from_key(std::string_view text) {
    EVP_PKEY* key = nullptr;
    const std::unique_ptr<OSSL_DECODER_CTX, FreeDecoder> decoder(
        OSSL_DECODER_CTX_new_for_pkey(&key, "PEM", nullptr, nullptr, 0, nullptr, nullptr));
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    size_t size = text.size();
    if (decoder) OSSL_DECODER_from_data(decoder.get(), &bytes, &size);
    return Pkey(key);
}

}  // namespace

Result<PemKey> parse_pem(std::string_view text) {
    Block found;
    Block block;
    size_t from = 0;
    while (next_block(text, from, block)) {
        if (block.label.ends_with("PARAMETERS")) continue;  // openssl ecparam -genkey puts them first
        if (found.label == "CERTIFICATE" && block.label == "CERTIFICATE") continue;
        if (!found.label.empty()) {
            return failure("holds more than one key; keep one in the file, or make a JWKS of them");
        }
        found = block;
    }
    if (found.label.empty()) return failure("holds no PEM block; export the key again");
    if (is_encrypted(found)) return failure("is encrypted; decrypt it with openssl pkey -in FILE -out FILE2");

    PemKey result;
    result.is_private = found.label.ends_with("PRIVATE KEY");
    result.key = found.label == "CERTIFICATE" ? from_certificate(found.text) : from_key(found.text);
    ERR_clear_error();
    if (!result.key) return failure(fmt::format("its {} cannot be read; export the key again", found.label));
    return result;
}

Result<Algorithm> algorithm_of(const EVP_PKEY* key) {
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_RSA:
            if (EVP_PKEY_get_bits(key) >= 2048) return Algorithm::RS256;
            return failure(
                fmt::format("is RSA of {} bits; at least 2048 bits are required", EVP_PKEY_get_bits(key)));
        case EVP_PKEY_ED25519: return Algorithm::EdDSA;
        case EVP_PKEY_EC: {
            std::array<char, 64> group{};
            size_t length = 0;
            if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
                std::string_view(group.data(), length) == "prime256v1") {
                return Algorithm::ES256;
            }
            break;
        }
        default: break;
    }
    return failure("is of a kind or curve that is not supported; use RSA, P-256 or Ed25519");
}

}  // namespace wayleave
