#include "daemon/identity/pem.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

namespace wayleave {

namespace {

struct FreeCertificate {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct FreeNumber {
    void operator()(BIGNUM* number) const noexcept { BN_free(number); }
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

constexpr int least_rsa_bits = 2048;
constexpr int most_rsa_bits = 8192;  // beyond, each token costs milliseconds

// With the exponent 1 a signature is the message, and with an even one it is none.
bool has_sound_exponent(const EVP_PKEY* key) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return false;
    const std::unique_ptr<BIGNUM, FreeNumber> exponent(raw);
    return BN_is_odd(exponent.get()) && !BN_is_one(exponent.get());
}

KeyResult<Algorithm> rsa_algorithm(const EVP_PKEY* key) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits < least_rsa_bits || bits > most_rsa_bits) {
        return too_weak(
            fmt::format("is RSA of {} bits", bits),
            fmt::format("at least {} bits are required, and at most {}", least_rsa_bits, most_rsa_bits));
    }
    if (!has_sound_exponent(key))
        return too_weak("is RSA with an exponent that is not supported", "make another key, with 65537");
    return Algorithm::RS256;
}

// For these eight points, in all their encodings, one signature is good for every message.
bool has_small_order(const EVP_PKEY* key) {
    constexpr std::array<std::string_view, 7> points = {
        {{"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
          "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
          32},
         {"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
          "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
          32},
         {"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
          "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
          32},
         {"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
          "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
          32},
         {"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
          32},
         {"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
          32},
         {"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
          32}}};
    std::array<unsigned char, 32> point{};
    size_t size = point.size();
    if (EVP_PKEY_get_raw_public_key(key, point.data(), &size) != 1) return true;
    point.back() &= 0x7fU;  // the sign of x
    const std::string_view found(reinterpret_cast<const char*>(point.data()), point.size());
    return std::find(points.begin(), points.end(), found) != points.end();
}

}  // namespace

KeyResult<PemKey> parse_pem(std::string_view text) {
    Block found;
    Block block;
    size_t from = 0;
    while (next_block(text, from, block)) {
        if (block.label.ends_with("PARAMETERS")) continue;  // openssl ecparam -genkey puts them first
        if (found.label == "CERTIFICATE" && block.label == "CERTIFICATE") continue;
        if (!found.label.empty()) {
            return unusable("holds more than one key", "keep one in the file, or make a JWKS of them");
        }
        found = block;
    }
    if (found.label.empty()) return unusable("holds no PEM block", "export the key again");
    if (is_encrypted(found))
        return unusable("is encrypted", "decrypt it with openssl pkey -in FILE -out FILE2");

    PemKey result;
    result.is_private = found.label.ends_with("PRIVATE KEY");
    result.key = found.label == "CERTIFICATE" ? from_certificate(found.text) : from_key(found.text);
    ERR_clear_error();
    if (!result.key)
        return unusable(fmt::format("its {} cannot be read", found.label), "export the key again");
    return result;
}

KeyResult<Algorithm> algorithm_of(const EVP_PKEY* key) {
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_RSA: return rsa_algorithm(key);
        case EVP_PKEY_ED25519:
            if (!has_small_order(key)) return Algorithm::EdDSA;
            return too_weak("is a point of small order, for which anybody can sign", "make another key");
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
    return too_weak("is of a kind or curve that is not supported", "use RSA, P-256 or Ed25519");
}

}  // namespace wayleave
