#include "daemon/decision/used_tokens.h"

#include <absl/container/flat_hash_map.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "daemon/message/commons.h"

namespace wayleave {
namespace {

constexpr size_t token_stripes = 64;
constexpr int64_t cleaning_ms = 1000;  // a full stripe is not searched through for every handshake

// The ids themselves are secrets of their tokens, and of any length.
using Key = std::array<uint64_t, 2>;

const std::array<unsigned char, 32>& process_key() {
    static const std::array<unsigned char, 32> key = [] {
        std::array<unsigned char, 32> out{};
        if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1)
            throw std::runtime_error("OpenSSL has no random numbers");
        return out;
    }();
    return key;
}

Key key_of(std::string_view block, std::string_view id) {
    std::string text(block);
    text += '\0';  // a block's name has none
    text += id;
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int size = 0;
    const auto& secret = process_key();
    if (!HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size)) {
        throw std::runtime_error("OpenSSL offers no HMAC with SHA-256");
    }
    Key key{};
    std::memcpy(key.data(), mac.data(), sizeof key);
    return key;
}

}  // namespace

struct alignas(64) UsedTokens::Stripe {
    mutable std::mutex mutex;
    absl::flat_hash_map<Key, int64_t> until_ms;
    int64_t cleaned_ms = 0;  // wall time
    std::atomic<size_t> size{0};
    std::atomic<uint64_t> replays{0};
    std::atomic<uint64_t> full{0};

    // With the mutex held.
    void forget_expired(int64_t wall_ms) {
        const int64_t since = wall_ms - cleaned_ms;
        if (since >= 0 && since < cleaning_ms) return;  // a clock that was set back is no reason to wait
        cleaned_ms = wall_ms;
        absl::erase_if(until_ms, [&](const auto& item) { return item.second <= wall_ms; });
    }
};

UsedTokens::UsedTokens(size_t most)
    : stripes_(std::make_unique<Stripe[]>(token_stripes)),
      most_per_stripe_(std::max<size_t>(1, most / token_stripes)) {}

UsedTokens::~UsedTokens() = default;

bool UsedTokens::was_used(std::string_view block, std::string_view id, int64_t wall_ms) const {
    const Key key = key_of(block, id);
    Stripe& stripe = stripes_[key[0] % token_stripes];
    const std::lock_guard lock(stripe.mutex);
    const auto it = stripe.until_ms.find(key);
    if (it == stripe.until_ms.end() || it->second <= wall_ms) return false;
    stripe.replays.fetch_add(1, std::memory_order_relaxed);
    return true;
}

UsedTokens::Use UsedTokens::use(std::string_view block, std::string_view id, int64_t until_ms,
                                int64_t wall_ms) {
    const Key key = key_of(block, id);
    Stripe& stripe = stripes_[key[0] % token_stripes];
    const std::lock_guard lock(stripe.mutex);
    if (const auto it = stripe.until_ms.find(key); it != stripe.until_ms.end() && it->second > wall_ms) {
        stripe.replays.fetch_add(1, std::memory_order_relaxed);
        return Use::again;
    }
    if (stripe.until_ms.size() >= most_per_stripe_) stripe.forget_expired(wall_ms);
    if (stripe.until_ms.size() >= most_per_stripe_) {
        stripe.full.fetch_add(1, std::memory_order_relaxed);
        return Use::full;
    }
    stripe.until_ms[key] = until_ms;
    stripe.size.store(stripe.until_ms.size(), std::memory_order_relaxed);
    return Use::first;
}

void UsedTokens::use_everywhere(const TokenUse& use, int64_t wall_ms, std::function<void(Proof)> done) {
    commons_.load(std::memory_order_acquire)
        ->use_token(use, wall_ms, [this, done = std::move(done)](Commons::Use answer) {
            switch (answer) {
                case Commons::Use::first: return done(Proof::good({}));
                case Commons::Use::again:
                    replays_elsewhere_.fetch_add(1, std::memory_order_relaxed);
                    return done(Proof::refused("the token was used before"));
                case Commons::Use::unavailable: break;
            }
            done(Proof::unavailable("nobody can tell now whether the token was used before"));
        });
}

size_t UsedTokens::size() const {
    size_t sum = 0;
    for (size_t i = 0; i < token_stripes; ++i) sum += stripes_[i].size.load(std::memory_order_relaxed);
    return sum;
}

uint64_t UsedTokens::replays() const {
    uint64_t sum = replays_elsewhere_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < token_stripes; ++i) sum += stripes_[i].replays.load(std::memory_order_relaxed);
    return sum;
}

uint64_t UsedTokens::full() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < token_stripes; ++i) sum += stripes_[i].full.load(std::memory_order_relaxed);
    return sum;
}

}  // namespace wayleave
