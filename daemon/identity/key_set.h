// KeySet: the keys that one key file holds, parsed once, ready to verify with. Immutable after load().
//
// The algorithm is a property of the key, never of the token. Private keys in the file are reduced to their
// public half; an HMAC secret lives only inside OpenSSL, which wipes it. Thread: load() blocks on the disk;
// keys() and matches() may be used by any number of threads at once.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/identity/algorithm.h"
#include "daemon/identity/key_file.h"

struct evp_pkey_st;
struct evp_mac_ctx_st;

namespace wayleave {

struct FreePublicKey {
    void operator()(evp_pkey_st* key) const noexcept;
};
struct FreeMac {
    void operator()(evp_mac_ctx_st* mac) const noexcept;
};

class VerifyKey {
  public:
    VerifyKey(Algorithm algorithm, std::string kid, std::unique_ptr<evp_pkey_st, FreePublicKey> key);
    VerifyKey(std::string kid, std::unique_ptr<evp_mac_ctx_st, FreeMac> mac);

    // Tells it from other keys, whatever they are called; tells nothing of a secret. Never 0.
    [[nodiscard]] uint64_t mark() const { return mark_; }
    // `kid "2026-11" (ES256)`. Harmless for a log.
    [[nodiscard]] std::string name() const;
    [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
    [[nodiscard]] const std::string& kid() const { return kid_; }  // empty if the key has none

    // Whether the signature (raw bytes) is this key's over the data. The caller has compared the algorithms.
    [[nodiscard]] bool matches(std::string_view data, std::string_view signature) const;

  private:
    Algorithm algorithm_;
    std::string kid_;
    uint64_t mark_ = 0;
    std::unique_ptr<evp_pkey_st, FreePublicKey> key_;  // null for HS256
    std::unique_ptr<evp_mac_ctx_st, FreeMac>
        mac_;  // keyed template, duplicated for each use; null but for HS256
};

class KeySet {
  public:
    KeySet() = default;  // no key: nothing verifies
    // A JWKS, a JWK, a PEM public key, certificate or private key, or an HMAC secret of at least 32 bytes.
    // Keys of a set that we cannot verify with are left out; a file without any other is refused. Errors name
    // the path.
    static KeyResult<KeySet> load(const std::string& path);

    // A JWKS that somebody has published: the same, and keys that nobody should publish are left out, too.
    // Error: it holds no usable key.
    static KeyResult<KeySet> published(std::string_view json);

    [[nodiscard]] std::span<const VerifyKey> keys() const { return keys_; }
    // `key 2 (kid "a"): why`, for the operator; harmless for a log.
    [[nodiscard]] std::span<const KeyError> left_out() const { return left_out_; }
    // Whether any key has a kid: then a token's kid must name one of them.
    [[nodiscard]] bool has_kids() const;

  private:
    KeySet(std::vector<VerifyKey> keys, std::vector<KeyError> left_out)
        : keys_(std::move(keys)), left_out_(std::move(left_out)) {}

    std::vector<VerifyKey> keys_;
    std::vector<KeyError> left_out_;
};

}  // namespace wayleave
