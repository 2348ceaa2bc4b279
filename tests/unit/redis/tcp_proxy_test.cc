#include "tests/unit/redis/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace wayleave {
namespace {

struct Pair {
    int client = -1;
    int server = -1;
    bool subscribes = false;

    Pair(int from, int to) : client(from), server(to) {}
    ~Pair() {
        close(client);
        close(server);
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
};

// False: it has ended.
bool pass(int from, int to, size_t piece, bool swallow, bool* subscribes) {
    char bytes[65'536];
    const ssize_t size = recv(from, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    const std::string_view all(bytes, static_cast<size_t>(size));
    if (subscribes != nullptr && all.find("SSUBSCRIBE") != std::string_view::npos) *subscribes = true;
    for (std::string_view rest = all; !swallow && !rest.empty();) {
        const ssize_t sent = send(to, rest.data(), std::min(piece, rest.size()), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        rest.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

sockaddr_in local(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

TcpProxy::TcpProxy(uint16_t to) : to_(to), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = local(0);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("no proxy");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { loop(); });
}

TcpProxy::~TcpProxy() {
    stop_ = true;
    thread_.join();
    close(listener_);
}

void TcpProxy::cut() {
    cut_ = true;
    wait_for_a_round();
}

void TcpProxy::hold(bool held) {
    held_ = held;
    wait_for_a_round();
}

// One that has begun since, and is over.
void TcpProxy::wait_for_a_round() const {
    const uint64_t now = rounds_;
    while (rounds_ < now + 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void TcpProxy::loop() {
    std::vector<std::unique_ptr<Pair>> pairs;
    for (; !stop_; ++rounds_) {
        if (cut_.exchange(false)) pairs.clear();
        std::vector<pollfd> wanted{{listener_, POLLIN, 0}};
        for (const auto& pair : pairs) {
            wanted.push_back({pair->client, POLLIN, 0});
            wanted.push_back({pair->server, POLLIN, 0});
        }
        if (held_) wanted.resize(1);
        if (poll(wanted.data(), wanted.size(), 2) <= 0) continue;
        const size_t piece = small_ ? 1 : 65'536;
        for (size_t i = 0; 2 * i + 2 < wanted.size(); ++i) {
            Pair& pair = *pairs[i];
            bool well = true;
            if (wanted[2 * i + 1].revents != 0)
                well = pass(pair.client, pair.server, piece, false, &pair.subscribes);
            if (well && wanted[2 * i + 2].revents != 0)
                well = pass(pair.server, pair.client, piece, deaf_ && pair.subscribes, nullptr);
            if (!well) pairs[i].reset();
        }
        std::erase(pairs, nullptr);
        if (wanted[0].revents == 0) continue;
        const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = local(to_);
        auto pair = std::make_unique<Pair>(client, server);
        ++accepted_;
        if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            pairs.push_back(std::move(pair));
    }
}

}  // namespace wayleave
