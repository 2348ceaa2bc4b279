#include "daemon/ops/load/token_verifier.h"

#include <algorithm>

#include "daemon/decision/claims.h"
#include "daemon/decision/credential.h"
#include "daemon/identity/verify.h"

namespace wayleave {
namespace {

constexpr std::string_view no_keys_here = "the keys of this token are fetched by the daemon alone";
constexpr std::string_view no_keys_yet = "the keys of this token could not be fetched yet";
constexpr std::string_view no_backend_here = "a backend is asked about this token by the daemon alone";

// Numbers of key sets at URLs begin at 1; keys in files do not change while the policy lives.
uint64_t block_number(size_t token) {
    return (uint64_t{1} << 63U) | token;
}

// An HMAC costs no more than the hash that finds it in the cache.
bool worth_caching(const std::vector<Algorithm>& allowed) {
    return std::any_of(allowed.begin(), allowed.end(),
                       [](Algorithm algorithm) { return algorithm != Algorithm::HS256; });
}

Proof proof_of(Result<SignedPayload, TokenError> verified) {
    if (!verified) return Proof::refused(to_string(verified.error()));
    return Proof::good(std::move(verified->payload), verified->key);
}

}  // namespace

PolicyVerifier::PolicyVerifier(std::vector<TokenTrust> tokens, std::shared_ptr<TokenCacheCounters> counters)
    : tokens_(std::move(tokens)), counters_(std::move(counters)) {
    if (!counters_) counters_ = std::make_shared<TokenCacheCounters>();
}

Result<SignedPayload, TokenError> PolicyVerifier::cached_signature(const Trusted& trusted,
                                                                   const std::string& compact,
                                                                   Now now) const {
    if (compact.size() > max_token_bytes) return failure(TokenError::too_long);
    if (!worth_caching(*trusted.allowed)) return verify_signature(*trusted.keys, *trusted.allowed, compact);
    const TokenCache::Key key = TokenCache::key_of(trusted.number, compact);
    if (auto payload = cache_->find(key, now.wall_ms)) {
        counters_->hits.fetch_add(1, std::memory_order_relaxed);
        return std::move(*payload);
    }
    counters_->misses.fetch_add(1, std::memory_order_relaxed);
    auto payload = verify_signature(*trusted.keys, *trusted.allowed, compact);
    if (!payload) return payload;
    const auto exp_ms = expiry_of(payload->payload);
    // What has no end has one in the cache: the room is for those who come again soon.
    if (exp_ms) cache_->add(key, *payload, *exp_ms == 0 ? 0 : *exp_ms + token_leeway_ms, now.wall_ms);
    return payload;
}

Proof PolicyVerifier::verify_url(const UrlKeys& trust, const Credential& credential, Now now,
                                 bool may_wait) const {
    if (!trust.keys) return Proof::unavailable(no_keys_here);
    const RemoteKeys::Set set = trust.keys->current();
    if (!set.keys)
        return may_wait && trust.keys->may_renew(now) ? Proof::pending() : Proof::unavailable(no_keys_yet);
    auto verified = cached_signature({set.keys.get(), &trust.allowed, set.number}, credential.text, now);
    const bool newer = !verified && verified.error() == TokenError::unknown_key;
    if (newer && may_wait && trust.keys->may_renew(now)) return Proof::pending();
    return proof_of(std::move(verified));
}

Proof PolicyVerifier::verify(const Credential& credential, Now now) const {
    const TokenTrust& trust = tokens_.at(credential.token);
    if (const auto* file = std::get_if<FileKeys>(&trust)) {
        const Trusted trusted{&file->keys, &file->allowed, block_number(credential.token)};
        return proof_of(cached_signature(trusted, credential.text, now));
    }
    if (const auto* url = std::get_if<UrlKeys>(&trust)) return verify_url(*url, credential, now, true);
    const auto& asked = std::get<AskedBackend>(trust);
    if (!asked.backend) return Proof::unavailable(no_backend_here);
    if (credential.text.size() > max_token_bytes) return Proof::refused(to_string(TokenError::too_long));
    return asked.backend->look_up(header_of(source_of(asked.from, credential.source), credential.text), now);
}

void PolicyVerifier::ask(const Credential& credential, const Asking& asking, Now now,
                         std::function<void(Proof)> done) const {
    const TokenTrust& trust = tokens_.at(credential.token);
    if (const auto* asked = std::get_if<AskedBackend>(&trust); asked && asked->backend)
        return asked->backend->ask(header_of(source_of(asked->from, credential.source), credential.text),
                                   asking, now, std::move(done));
    const auto* url = std::get_if<UrlKeys>(&trust);
    if (!url || !url->keys) return done(verify(credential, now));
    // Whoever asks keeps this verifier until it is answered.
    url->keys->renew(now, [this, url, credential, done = std::move(done)] {
        done(verify_url(*url, credential, read_clocks(), false));
    });
}

template <class See>
bool PolicyVerifier::see_keys(uint32_t token, const See& see) const {
    if (const auto* file = std::get_if<FileKeys>(&tokens_.at(token))) return see(file->keys), true;
    const auto* url = std::get_if<UrlKeys>(&tokens_.at(token));
    if (!url || !url->keys) return false;
    const RemoteKeys::Set set = url->keys->current();
    if (set.keys) see(*set.keys);
    return set.keys != nullptr;
}

bool PolicyVerifier::trusts(uint32_t token, uint64_t key) const {
    bool found = false;
    const bool known = see_keys(token, [&](const KeySet& set) {
        found = std::any_of(set.keys().begin(), set.keys().end(),
                            [&](const VerifyKey& one) { return one.mark() == key; });
    });
    return found || !known;
}

std::vector<NamedKey> PolicyVerifier::keys_of(uint32_t token) const {
    std::vector<NamedKey> out;
    (void)see_keys(token, [&](const KeySet& set) {
        for (const VerifyKey& key : set.keys()) out.push_back({key.mark(), key.name()});
    });
    return out;
}

}  // namespace wayleave
