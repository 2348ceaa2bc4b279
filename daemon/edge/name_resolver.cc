#include "daemon/edge/name_resolver.h"

#include <netdb.h>

#include <cstring>

namespace wayleave {
namespace {

constexpr int64_t name_believed_ms = 30'000;
constexpr size_t most_known = 256;

NameResolver::Answer look_up(const std::string& host, uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) return failure(host + " is not found: " + gai_strerror(error));
    std::vector<SocketAddress> out;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        SocketAddress address;
        std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
        address.size = one->ai_addrlen;
        out.push_back(address);
    }
    freeaddrinfo(found);
    if (out.empty()) return failure(host + " has no address");
    return out;
}

}  // namespace

void NameResolver::resolve(const std::string& host, uint16_t port, int64_t now_ms, Done done) {
    now_ms_ = now_ms;
    if (const auto numeric = look_up(host, port, AI_NUMERICHOST)) return done(numeric);
    const std::string key = host + ":" + std::to_string(port);
    const auto known = known_.find(key);
    if (known != known_.end() && known->second.until_ms > now_ms) return done(known->second.addresses);
    auto& waiting = waiting_[key];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;
    if (!thread_) thread_ = std::make_unique<HelperThread>("wayleave-names");
    thread_->post([this, host, port, key] {
        calls_.post([this, key, answer = look_up(host, port, 0)] { finish(key, answer); });
    });
}

void NameResolver::finish(const std::string& key, const Answer& answer) {
    if (answer) {
        if (known_.size() >= most_known) known_.clear();
        known_[key] = {*answer, now_ms_ + name_believed_ms};
    }
    const auto it = waiting_.find(key);
    if (it == waiting_.end()) return;
    const std::vector<Done> waiting = std::move(it->second);
    waiting_.erase(it);
    for (const Done& done : waiting) done(answer);
}

}  // namespace wayleave
