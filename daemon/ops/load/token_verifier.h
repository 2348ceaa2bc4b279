// What stands behind all `token` blocks of one policy, behind the interface that the core asks: keys in
// files, keys at URLs, backends. Thread-safe; changes with the policy.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "daemon/decision/runtime.h"
#include "daemon/identity/algorithm.h"
#include "daemon/identity/introspection.h"
#include "daemon/identity/key_set.h"
#include "daemon/identity/remote_keys.h"
#include "daemon/identity/token_cache.h"
#include "daemon/identity/verify.h"

namespace wayleave {

struct FileKeys {
    KeySet keys;
    std::vector<Algorithm> allowed;
};

struct UrlKeys {
    std::shared_ptr<RemoteKeys> keys;  // null where nothing may be fetched: lint, explain, test
    std::vector<Algorithm> allowed;
};

struct AskedBackend {
    std::shared_ptr<Introspection> backend;  // null likewise
    std::vector<dsl::TokenSource> from;      // of the block: cookies and headers
};

using TokenTrust = std::variant<FileKeys, UrlKeys, AskedBackend>;

// Of the cache of verified tokens. It outlasts reloads; the cache does not.
struct TokenCacheCounters {
    std::atomic<uint64_t> hits{0};
    std::atomic<uint64_t> misses{0};
};

class PolicyVerifier final : public TokenVerifier {
  public:
    // In the order of Policy::tokens.
    explicit PolicyVerifier(std::vector<TokenTrust> tokens,
                            std::shared_ptr<TokenCacheCounters> counters = {});

    [[nodiscard]] Proof verify(const Credential& credential, Now now) const override;
    void ask(const Credential& credential, const Asking& asking, Now now,
             std::function<void(Proof)> done) const override;

    [[nodiscard]] bool trusts(uint32_t token, uint64_t key) const override;
    [[nodiscard]] std::vector<NamedKey> keys_of(uint32_t token) const override;

    [[nodiscard]] size_t cached() const { return cache_->size(); }

  private:
    struct Trusted {
        const KeySet* keys;
        const std::vector<Algorithm>* allowed;
        uint64_t number;  // of the keys, for the cache
    };
    [[nodiscard]] Proof verify_url(const UrlKeys& trust, const Credential& credential, Now now,
                                   bool may_wait) const;
    [[nodiscard]] Result<SignedPayload, TokenError> cached_signature(const Trusted& trusted,
                                                                     const std::string& compact,
                                                                     Now now) const;

    // Calls with the keys of a block, while they stay; false where it has none, or none yet.
    template <class See>
    bool see_keys(uint32_t token, const See& see) const;

    std::vector<TokenTrust> tokens_;
    std::shared_ptr<TokenCacheCounters> counters_;
    std::unique_ptr<TokenCache> cache_ = std::make_unique<TokenCache>();
};

}  // namespace wayleave
