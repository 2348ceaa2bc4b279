// The frames of a WebSocket (RFC 6455 5), as either side reads and writes them, and the messages of
// permessage-deflate (RFC 7692 6) where it was agreed on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/utf8.h"

namespace wayleave {

class Inflater;

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct WebSocketLimits {
    size_t max_message = 65536;     // payload bytes of all frames of one message
    uint32_t max_fragments = 1024;  // frames of one message, empty ones too
    Inflater* inflater = nullptr;   // null: compression was not agreed on
    bool from_server = false;       // who sends is a server, and masks nothing; else a client, and masks all
};

// Events. Payloads are views that live until the next call of next(), until the input buffer is touched or
// until another decoder uses the inflater.
struct WsNeedMore {};
struct WsMessage {
    bool binary;
    bool compressed;           // on the wire
    std::string_view payload;  // UTF-8 unless binary
};
struct WsPing {
    std::string_view payload;
};
struct WsPong {
    std::string_view payload;
};
struct WsClose {
    uint16_t code;  // 1005 when the peer gave none
    std::string_view reason;
};
struct WsError {
    uint16_t code;            // to close with: 1002 protocol, 1007 not UTF-8, 1008 fragments, 1009 too big
    std::string_view reason;  // static text
};
using WsEvent = std::variant<WsNeedMore, WsMessage, WsPing, WsPong, WsClose, WsError>;

// One per connection and small, since most connections are idle: no heap unless a frame or message is
// incomplete.
class WebSocketDecoder {
  public:
    // Takes bytes off the front of `input`, unmasking them in place, up to one event; call it until
    // WsNeedMore, which means that all is consumed. The events do not depend on how the bytes were split:
    // what is wrong is told at the byte at which it becomes wrong, also within a frame that is not complete.
    // After WsError or WsClose everything further is consumed and ignored.
    [[nodiscard]] WsEvent next(std::span<char>& input, const WebSocketLimits& limits);

    // A frame or a message has begun and is not complete: the assembly deadline runs.
    [[nodiscard]] bool mid_message() const {
        return header_size_ > 0 || message_opcode_ != Opcode::continuation;
    }
    // Heap bytes held: at most twice what has arrived of the incomplete message.
    [[nodiscard]] size_t buffered() const { return buffer_.capacity(); }

  private:
    [[nodiscard]] bool take_header(std::span<char>& input, const WebSocketLimits& limits, WsError& error);
    [[nodiscard]] bool check_first_byte(const WebSocketLimits& limits, WsError& error);
    [[nodiscard]] bool check_second_byte(const WebSocketLimits& limits, WsError& error) const;
    [[nodiscard]] bool check_length(const WebSocketLimits& limits, WsError& error);
    [[nodiscard]] std::string_view take_payload(std::span<char>& input);
    [[nodiscard]] WsEvent finish_frame(std::string_view frame, const WebSocketLimits& limits);
    [[nodiscard]] WsEvent finish_message(std::string_view message, const WebSocketLimits& limits);
    [[nodiscard]] WsEvent finish_close(std::string_view payload);
    [[nodiscard]] WsEvent fail(const WsError& error);
    void append(std::string_view bytes);
    void drop_handed_out();
    [[nodiscard]] size_t length_end() const;
    [[nodiscard]] Opcode opcode() const { return static_cast<Opcode>(header_[0] & 0x0f); }
    [[nodiscard]] bool is_control() const { return (header_[0] & 0x08) != 0; }
    [[nodiscard]] bool is_final() const { return (header_[0] & 0x80) != 0; }
    [[nodiscard]] bool is_plain_text() const {
        return message_opcode_ == Opcode::text && !compressed_ && !is_control();
    }

    // What was assembled of the message, then what arrived of a control frame that came between its
    // fragments.
    std::vector<char> buffer_;
    size_t message_size_ = 0;  // bytes at the front of buffer_ that belong to the message
    uint64_t remaining_ = 0;   // payload bytes of this frame still to come
    uint32_t fragments_ = 0;
    std::array<uint8_t, 14> header_{};  // of this frame, as far as it arrived; a client's ends in the mask
    uint8_t header_size_ = 0;
    uint8_t mask_phase_ = 0;                        // index into the mask of the next payload byte
    Opcode message_opcode_ = Opcode::continuation;  // continuation: no message has begun
    Utf8Reader text_;                               // of the message that has begun, unless it is compressed
    bool compressed_ = false;                       // the message that has begun
    bool in_payload_ = false;
    bool handed_out_ = false;  // the last event may view buffer_: clean up at the next call
    bool finished_ = false;
};

// Server to client: unmasked, FIN set. A control payload has at most 125 bytes, which the caller knows.
[[nodiscard]] std::string encode_frame(Opcode opcode, std::string_view payload, bool compressed = false);
// The same of a payload that is appended to `out` between the two. Both tell how large the header is; a
// payload of another order than `about` is moved.
[[nodiscard]] size_t begin_frame(std::string& out, Opcode opcode, size_t about);
[[nodiscard]] size_t end_frame(std::string& out, Opcode opcode, size_t header_size);
// Only the header, for a payload that is written from elsewhere; returns how many bytes of `out` it takes.
[[nodiscard]] size_t frame_header(char (&out)[10], Opcode opcode, size_t payload_size);
// `reason` is cut to 123 bytes between two characters. 1005 means no code and gives an empty close frame.
[[nodiscard]] std::string close_frame(uint16_t code, std::string_view reason);
// What such a frame says.
[[nodiscard]] std::string close_payload(uint16_t code, std::string_view reason);
// Whether a close frame may say it (RFC 6455 7.4).
[[nodiscard]] bool is_close_code(unsigned code);

// Client to server: masked with `mask`, of which nobody may know beforehand (RFC 6455 5.3). Appended.
void append_client_frame(std::string& out, Opcode opcode, std::string_view payload, uint32_t mask);

}  // namespace wayleave
