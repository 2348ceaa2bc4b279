#include "daemon/broker/dedup_window.h"

#include <openssl/evp.h>

#include <cstring>
#include <stdexcept>

namespace wayleave {

DedupKey dedup_key(std::string_view id) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(id.data(), id.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-256");
    DedupKey key{};
    std::memcpy(key.data(), digest.data(), sizeof key);
    return key;
}

std::optional<Position> DedupWindow::find(const DedupKey& id, int64_t steady_ms) const {
    const auto it = seen_.find(id);
    if (it == seen_.end() || it->second.until_ms <= steady_ms) return std::nullopt;
    return it->second.position;
}

void DedupWindow::add(const DedupKey& id, Position position, int64_t until_ms) {
    seen_.insert_or_assign(id, Seen{position, until_ms});
    order_.push_back({id, until_ms});
}

// The window may have become shorter with a new policy, so that a younger id waits for an older one.
void DedupWindow::expire(int64_t steady_ms) {
    while (!order_.empty() && order_.front().until_ms <= steady_ms) drop_oldest();
}

bool DedupWindow::drop_oldest() {
    if (order_.empty()) return false;
    const Entry& oldest = order_.front();
    const auto it = seen_.find(oldest.id);
    if (it != seen_.end() && it->second.until_ms == oldest.until_ms) seen_.erase(it);
    order_.pop_front();
    return true;
}

}  // namespace wayleave
