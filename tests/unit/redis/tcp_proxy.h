// Between a node and its Redis: what a network does to a connection, on purpose.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace wayleave {

class TcpProxy {
  public:
    explicit TcpProxy(uint16_t to);
    ~TcpProxy();
    TcpProxy(const TcpProxy&) = delete;
    TcpProxy& operator=(const TcpProxy&) = delete;

    [[nodiscard]] uint16_t port() const { return port_; }
    // Done when they return: what is passed on later must not be what was sent before.
    void cut();            // all that are open, once
    void hold(bool held);  // nothing passes, and nothing is closed
    // From the server nothing passes any more on connections over which somebody has subscribed.
    void deafen(bool deaf) { deaf_ = deaf; }
    void by_bytes(bool small) { small_ = small; }  // one at a time
    [[nodiscard]] uint64_t accepted() const { return accepted_; }

  private:
    void loop();
    void wait_for_a_round() const;

    const uint16_t to_;
    uint16_t port_ = 0;
    int listener_ = -1;
    std::atomic<uint64_t> rounds_{0};
    std::atomic<bool> stop_{false};
    std::atomic<bool> cut_{false};
    std::atomic<bool> held_{false};
    std::atomic<bool> deaf_{false};
    std::atomic<bool> small_{false};
    std::atomic<uint64_t> accepted_{0};
    std::thread thread_;
};

}  // namespace wayleave
