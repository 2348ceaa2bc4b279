// Where connections of a listener with `proxy_protocol` wait until the proxy has said who is behind it. What
// follows the header is left in the socket, for TLS or for HTTP. One worker's; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"
#include "daemon/session/gateway.h"

namespace wayleave {

class ProxyHeaderReader {
  public:
    using Admitted = std::function<void(FileDescriptor socket, const Peer& peer)>;
    using Refused = std::function<void(const Peer& peer, std::string_view reason)>;

    // `admitted` takes the socket over. `refused` is told why one was closed; it has left the room then.
    ProxyHeaderReader(Loop& loop, int64_t patience_ms, Admitted admitted, Refused refused);
    ~ProxyHeaderReader();
    ProxyHeaderReader(const ProxyHeaderReader&) = delete;
    ProxyHeaderReader& operator=(const ProxyHeaderReader&) = delete;

    void enter(FileDescriptor socket, const Peer& proxy, int64_t now_ms);
    void tick(int64_t now_ms);  // closes those who waited too long
    [[nodiscard]] size_t waiting() const { return waiting_.size(); }

  private:
    struct Visitor;
    void readable(int fd);
    [[nodiscard]] Visitor& dismiss(int fd);
    void refuse(int fd, std::string_view reason);

    Loop& loop_;
    const int64_t patience_ms_;
    Admitted admitted_;
    Refused refused_;
    std::unordered_map<int, std::unique_ptr<Visitor>> waiting_;  // by descriptor
    // Their call back may be what is running: they go at the next tick.
    std::vector<std::unique_ptr<Visitor>> leaving_;
};

}  // namespace wayleave
