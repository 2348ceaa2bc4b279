// One connection of `wayleave bench`: it opens a WebSocket, and says and hears messages. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"
#include "daemon/protocol/websocket.h"

struct addrinfo;

namespace wayleave {

// With what the reason begins if the server has answered a handshake otherwise.
inline constexpr std::string_view handshake_answered = "the handshake is answered ";

class BenchClient {
  public:
    struct Events {
        std::function<void()> opened;
        std::function<void(std::string_view message)> heard;
        std::function<void(std::string why)> ended;  // once; nothing comes after it
    };
    // `request` is the upgrade request for `key`; both are borrowed by nobody.
    BenchClient(Loop& loop, const addrinfo& address, std::string request, std::string key, Events events,
                std::mt19937& random);

    void say(std::string_view text);
    void close();  // in good order; ended() is not called
    [[nodiscard]] bool open() const { return open_; }

  private:
    void ready(int events);
    void read_some();
    void read_frames(std::span<char> bytes);
    void read_head();
    void write_some();
    void end(std::string why);

    FileDescriptor socket_;
    std::string key_;
    Events events_;
    std::mt19937& random_;
    std::string out_;
    std::string head_;
    WebSocketDecoder decoder_;
    bool open_ = false;
    bool gone_ = false;
    std::optional<IoWatcher> io_;
};

}  // namespace wayleave
