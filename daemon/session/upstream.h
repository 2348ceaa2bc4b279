// One WebSocket to a backend, as its client: handshake, frames, close. It sees no socket: bytes come by
// read(), and what it has to say waits in output(). One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/base/unwritten.h"
#include "daemon/protocol/client_handshake.h"
#include "daemon/protocol/websocket.h"

namespace wayleave {

// Views live until the next call.
struct UpstreamNeedsMore {};
struct UpstreamOpened {};
struct UpstreamMessage {
    bool binary = false;
    std::string_view payload;  // UTF-8 unless binary
};
// It says nothing more. The socket is to be closed when output() is written.
struct UpstreamClosed {
    uint16_t code = 1006;  // that the backend gave; 1006: it broke the protocol
    std::string reason = {};
};
using UpstreamEvent =
    std::variant<UpstreamNeedsMore, UpstreamOpened, UpgradeRefused, UpstreamMessage, UpstreamClosed>;

class Upstream {
  public:
    explicit Upstream(std::mt19937_64& random) : random_(random) {}

    // What is said first. `headers` are complete lines.
    void begin(std::string_view path, std::string_view host, std::string_view headers);
    // Takes bytes off the front of `input`, up to one event; call it until it needs more. `most`: bytes of
    // one message of the backend.
    [[nodiscard]] UpstreamEvent read(std::span<char>& input, size_t most);

    void send(Opcode opcode, std::string_view payload);
    // Begins to close: the backend's own close frame is waited for. Before it is open there is nobody to
    // tell.
    void close(uint16_t code, std::string_view reason);

    [[nodiscard]] bool open() const { return state_ == State::open; }
    [[nodiscard]] std::string_view output() const { return out_.view(); }
    void written(size_t bytes) { out_.written(bytes); }
    // What it holds: not written yet, or not complete yet.
    [[nodiscard]] size_t held() const { return out_.held() + head_.capacity() + decoder_.buffered(); }

  private:
    enum class State : uint8_t { shaking, open, closing, closed };

    [[nodiscard]] UpstreamEvent read_answer(std::span<char>& input);
    [[nodiscard]] UpstreamEvent handle(const WsEvent& event, bool& again);

    std::mt19937_64& random_;
    State state_ = State::shaking;
    std::string key_;
    std::string head_;  // of the answer, as far as it arrived
    WebSocketDecoder decoder_;
    Unwritten out_;
};

}  // namespace wayleave
