#include "daemon/identity/token_cache.h"

#include <absl/container/flat_hash_map.h>
#include <openssl/evp.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <stdexcept>

namespace wayleave {
namespace {

constexpr size_t stripes = 16;

}  // namespace

struct alignas(64) TokenCache::Stripe {
    struct Entry {
        SignedPayload held;
        int64_t until_ms = 0;
    };
    mutable std::mutex mutex;
    absl::flat_hash_map<Key, Entry> entries;
    std::list<Key> order;  // the oldest first; each entry once
    size_t bytes = 0;

    // With the mutex held.
    void drop_oldest() {
        const auto it = entries.find(order.front());
        bytes -= it->second.held.payload.size();
        entries.erase(it);
        order.pop_front();
    }
};

TokenCache::TokenCache(TokenCacheBounds bounds)
    : stripes_(std::make_unique<Stripe[]>(stripes)),
      each_{std::max<size_t>(1, bounds.entries / stripes), bounds.bytes / stripes} {}

TokenCache::~TokenCache() = default;

TokenCache::Key TokenCache::key_of(uint64_t block, std::string_view compact) {
    std::string text(reinterpret_cast<const char*>(&block), sizeof block);
    text += compact;
    Key key{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), key.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-256");
    return key;
}

TokenCache::Stripe& TokenCache::stripe_of(const Key& key) const {
    return stripes_[key[0] % stripes];
}

std::optional<SignedPayload> TokenCache::find(const Key& key, int64_t wall_ms) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.entries.find(key);
    if (it == stripe.entries.end()) return std::nullopt;
    if (it->second.until_ms != 0 && it->second.until_ms <= wall_ms) return std::nullopt;  // goes in its turn
    return it->second.held;
}

void TokenCache::add(const Key& key, const SignedPayload& signed_payload, int64_t until_ms, int64_t wall_ms) {
    const std::string& payload = signed_payload.payload;
    if (payload.size() > each_.bytes || (until_ms != 0 && until_ms <= wall_ms)) return;
    Stripe& stripe = stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    if (stripe.entries.contains(key)) return;
    while (!stripe.order.empty() &&
           (stripe.entries.size() >= each_.entries || stripe.bytes + payload.size() > each_.bytes)) {
        stripe.drop_oldest();
    }
    stripe.entries.emplace(key, Stripe::Entry{signed_payload, until_ms});
    stripe.order.push_back(key);
    stripe.bytes += payload.size();
}

size_t TokenCache::size() const {
    size_t sum = 0;
    for (size_t i = 0; i < stripes; ++i) {
        const std::lock_guard lock(stripes_[i].mutex);
        sum += stripes_[i].entries.size();
    }
    return sum;
}

size_t TokenCache::bytes() const {
    size_t sum = 0;
    for (size_t i = 0; i < stripes; ++i) {
        const std::lock_guard lock(stripes_[i].mutex);
        sum += stripes_[i].bytes;
    }
    return sum;
}

}  // namespace wayleave
