#include "daemon/protocol/websocket.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "daemon/protocol/deflate.h"

namespace wayleave {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kRsv = 0x70;
constexpr uint8_t kRsv1 = 0x40;
constexpr uint8_t kMask = 0x80;
constexpr uint8_t kLength = 0x7f;
constexpr uint16_t kNoCode = 1005;
constexpr size_t kMaxControl = 125;
constexpr size_t kMaxReason = kMaxControl - 2;
constexpr WsError kNotUtf8{1007, "text that is not UTF-8"};

static_assert(sizeof(WebSocketDecoder) <= 72, "an idle connection holds one of these");

// `key` is the mask already turned to the phase of data[0]. Eight bytes at a time; memcpy because neither the
// network buffer nor the payload in it is aligned.
void unmask(std::span<char> data, const std::array<char, 8>& key) {
    uint64_t wide_key = 0;
    std::memcpy(&wide_key, key.data(), 8);
    size_t i = 0;
    for (; i + 8 <= data.size(); i += 8) {
        uint64_t word = 0;
        std::memcpy(&word, data.data() + i, 8);
        word ^= wide_key;
        std::memcpy(data.data() + i, &word, 8);
    }
    for (; i < data.size(); ++i) data[i] = static_cast<char>(data[i] ^ key[i & 7]);
}

bool is_known(Opcode opcode) {
    switch (opcode) {
        case Opcode::continuation:
        case Opcode::text:
        case Opcode::binary:
        case Opcode::close:
        case Opcode::ping:
        case Opcode::pong: return true;
    }
    return false;
}

bool protocol_error(WsError& error, std::string_view reason) {
    error = {1002, reason};
    return false;
}

}  // namespace

WsEvent WebSocketDecoder::next(std::span<char>& input, const WebSocketLimits& limits) {
    drop_handed_out();
    while (!finished_) {
        if (!in_payload_) {
            WsError error{};
            if (!take_header(input, limits, error)) return fail(error);
            if (!in_payload_) return WsNeedMore{};
        }
        const std::string_view bytes = take_payload(input);
        if (is_plain_text() && !text_.take(bytes)) return fail(kNotUtf8);
        const bool complete = remaining_ == 0;
        const size_t buffered_before = is_control() ? buffer_.size() - message_size_ : message_size_;
        if (complete && buffered_before == 0 && is_final())
            return finish_frame(bytes, limits);  // without a copy
        append(bytes);
        if (!complete) return WsNeedMore{};
        if (!is_final()) {
            in_payload_ = false;
            header_size_ = 0;
            continue;
        }
        const size_t start = is_control() ? message_size_ : 0;
        return finish_frame({buffer_.data() + start, buffer_.size() - start}, limits);
    }
    input = {};
    return WsNeedMore{};
}

// The views handed out last are dead now. Capacity goes too, so that an idle connection owns nothing.
void WebSocketDecoder::drop_handed_out() {
    if (!handed_out_) return;
    handed_out_ = false;
    if (message_size_ > 0) {
        buffer_.resize(message_size_);
    } else {
        std::vector<char>().swap(buffer_);
    }
}

// False is an error. Each byte is judged when it arrives, so that a refusal waits for nothing and does not
// depend on the split. Sets in_payload_ when the header is complete.
bool WebSocketDecoder::take_header(std::span<char>& input, const WebSocketLimits& limits, WsError& error) {
    while (!input.empty()) {
        header_[header_size_++] = static_cast<uint8_t>(input.front());
        input = input.subspan(1);
        if (header_size_ == 1) {
            if (!check_first_byte(limits, error)) return false;
            continue;
        }
        if (header_size_ == 2 && !check_second_byte(limits, error)) return false;
        if (header_size_ == length_end() && !check_length(limits, error)) return false;
        if (header_size_ == length_end() + (limits.from_server ? 0U : 4U)) {
            in_payload_ = true;
            mask_phase_ = 0;
            return true;
        }
    }
    return true;
}

// RFC 6455 5.2, 5.4 and 5.5: RSV, opcode, and what may follow what.
bool WebSocketDecoder::check_first_byte(const WebSocketLimits& limits, WsError& error) {
    const bool rsv1 = (header_[0] & kRsv1) != 0;
    if ((header_[0] & kRsv & ~kRsv1) != 0 || (rsv1 && !limits.inflater))
        return protocol_error(error, "RSV bit set, but no extension was agreed on");
    if (!is_known(opcode())) return protocol_error(error, "reserved opcode");
    // RFC 7692 6: it says something about a message, where the message begins.
    if (rsv1 && (is_control() || opcode() == Opcode::continuation))
        return protocol_error(error, "RSV1 on a frame that begins no message");
    if (is_control()) return is_final() || protocol_error(error, "fragmented control frame");
    const bool begun = message_opcode_ != Opcode::continuation;
    if (opcode() == Opcode::continuation && !begun) return protocol_error(error, "continuation of nothing");
    if (opcode() != Opcode::continuation && begun)
        return protocol_error(error, "new message before the last fragment of the one before");
    if (!begun) {
        message_opcode_ = opcode();
        text_ = {};
        compressed_ = rsv1;
        fragments_ = 0;
    }
    if (fragments_ >= limits.max_fragments) {
        error = {1008, "too many fragments in one message"};
        return false;
    }
    ++fragments_;
    return true;
}

bool WebSocketDecoder::check_second_byte(const WebSocketLimits& limits, WsError& error) const {
    const bool masked = (header_[1] & kMask) != 0;
    if (!masked && !limits.from_server) return protocol_error(error, "frame from a client without a mask");
    if (masked && limits.from_server) return protocol_error(error, "frame from a server with a mask");
    if (is_control() && (header_[1] & kLength) > kMaxControl)
        return protocol_error(error, "control frame of more than 125 bytes");
    return true;
}

// Where the length ends and the mask begins; known from the second byte on.
size_t WebSocketDecoder::length_end() const {
    const size_t code = header_[1] & kLength;
    return code == 127 ? 10 : code == 126 ? 4 : 2;
}

// The length is complete, nothing of the payload has been looked at.
bool WebSocketDecoder::check_length(const WebSocketLimits& limits, WsError& error) {
    const size_t end = length_end();
    uint64_t length = header_[1] & kLength;
    if (end > 2) {
        length = 0;
        for (size_t i = 2; i < end; ++i) length = length << 8 | header_[i];
        if (length >> 63 != 0) return protocol_error(error, "length with the highest bit set");
        const bool minimal = end == 4 ? length > 125 : length > 0xffff;
        if (!minimal) return protocol_error(error, "length not encoded in the shortest form");
    }
    const size_t most = compressed_ ? most_compressed(limits.max_message) : limits.max_message;
    const uint64_t room = most > message_size_ ? most - message_size_ : 0;
    if (!is_control() && length > room) {
        error = {1009, "message too big"};
        return false;
    }
    remaining_ = length;
    return true;
}

// What there is of this frame's payload, unmasked where it lies.
std::string_view WebSocketDecoder::take_payload(std::span<char>& input) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_, input.size()));
    const std::span<char> bytes = input.first(size);
    input = input.subspan(size);
    if ((header_[1] & kMask) == 0) {
        remaining_ -= size;
        return {bytes.data(), bytes.size()};
    }
    std::array<char, 8> key{};
    const size_t mask_at = header_size_ - 4U;
    for (size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<char>(header_[mask_at + ((mask_phase_ + i) & 3)]);
    unmask(bytes, key);
    mask_phase_ = static_cast<uint8_t>((mask_phase_ + size) & 3);
    remaining_ -= size;
    return {bytes.data(), bytes.size()};
}

// Grows by doubling, but not past the end of the frame: an announced length alone allocates nothing, and a
// complete frame has no slack.
void WebSocketDecoder::append(std::string_view bytes) {
    const size_t needed = buffer_.size() + bytes.size();
    if (needed > buffer_.capacity())
        buffer_.reserve(
            std::min(std::max(needed, buffer_.capacity() * 2), needed + static_cast<size_t>(remaining_)));
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    if (!is_control()) message_size_ += bytes.size();
}

// The last frame of a message, or a control frame. `frame` is the payload of the whole message.
WsEvent WebSocketDecoder::finish_frame(std::string_view frame, const WebSocketLimits& limits) {
    in_payload_ = false;
    header_size_ = 0;
    handed_out_ = true;
    switch (opcode()) {
        case Opcode::ping: return WsPing{frame};
        case Opcode::pong: return WsPong{frame};
        case Opcode::close: return finish_close(frame);
        case Opcode::continuation:
        case Opcode::text:
        case Opcode::binary: break;
    }
    return finish_message(frame, limits);
}

// Data that does not inflate is not consistent with the message's type (RFC 6455 7.4.1): 1007. Compressed
// text can be judged only now; any other was, as it came, and may only lack the end of a character.
WsEvent WebSocketDecoder::finish_message(std::string_view message, const WebSocketLimits& limits) {
    const bool binary = message_opcode_ == Opcode::binary;
    message_opcode_ = Opcode::continuation;
    message_size_ = 0;
    if (compressed_) {
        const auto inflated = limits.inflater->inflate(message, limits.max_message);
        if (const auto* error = std::get_if<InflateError>(&inflated)) {
            return fail(*error == InflateError::too_big
                            ? WsError{1009, "the message inflates to too much"}
                            : WsError{1007, "compressed data that does not inflate"});
        }
        message = std::get<std::string_view>(inflated);
    }
    if (!binary && !(compressed_ ? is_utf8(message) : text_.complete())) return fail(kNotUtf8);
    return WsMessage{binary, compressed_, message};
}

// RFC 6455 5.5.1.
WsEvent WebSocketDecoder::finish_close(std::string_view payload) {
    if (payload.size() == 1) return fail({1002, "close frame of one byte"});
    uint16_t code = kNoCode;
    if (!payload.empty()) {
        const unsigned high = static_cast<unsigned char>(payload[0]);
        const unsigned low = static_cast<unsigned char>(payload[1]);
        code = static_cast<uint16_t>(high << 8 | low);
        payload.remove_prefix(2);
        if (!is_close_code(code)) return fail({1002, "close code that is never sent"});
        if (!is_utf8(payload)) return fail({1007, "close reason that is not UTF-8"});
    }
    finished_ = true;
    message_size_ = 0;  // the message that was interrupted will never be complete
    message_opcode_ = Opcode::continuation;
    return WsClose{code, payload};
}

WsEvent WebSocketDecoder::fail(const WsError& error) {
    *this = WebSocketDecoder();
    finished_ = true;
    return error;
}

size_t frame_header(char (&out)[10], Opcode opcode, size_t payload_size) {
    out[0] = static_cast<char>(kFin | static_cast<uint8_t>(opcode));
    const size_t bytes = payload_size <= kMaxControl ? 0 : payload_size <= 0xffff ? 2 : 8;
    out[1] = static_cast<char>(bytes == 0 ? payload_size : bytes == 2 ? 126U : 127U);
    for (size_t i = 0; i < bytes; ++i) out[2 + i] = static_cast<char>(payload_size >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

std::string encode_frame(Opcode opcode, std::string_view payload, bool compressed) {
    char header[10];
    const size_t size = frame_header(header, opcode, payload.size());
    if (compressed) header[0] = static_cast<char>(header[0] | kRsv1);
    std::string out;
    out.reserve(size + payload.size());
    return out.append(header, size).append(payload);
}

size_t begin_frame(std::string& out, Opcode opcode, size_t about) {
    char header[10];
    const size_t size = frame_header(header, opcode, about);
    out.reserve(size + about);
    out.assign(header, size);
    return size;
}

size_t end_frame(std::string& out, Opcode opcode, size_t header_size) {
    char header[10];
    const size_t size = frame_header(header, opcode, out.size() - header_size);
    out.replace(0, header_size, header, size);
    return size;
}

std::string close_frame(uint16_t code, std::string_view reason) {
    return encode_frame(Opcode::close, close_payload(code, reason));
}

std::string close_payload(uint16_t code, std::string_view reason) {
    if (code == kNoCode) return {};
    size_t size = std::min(reason.size(), kMaxReason);
    if (size < reason.size())  // 10xxxxxx is the middle of a character
        while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    return payload.append(reason.substr(0, size));
}

// 1004 to 1006 and 1015 are never on the wire, 1016 to 2999 are not assigned.
bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void append_client_frame(std::string& out, Opcode opcode, std::string_view payload, uint32_t mask) {
    char header[10];
    const size_t size = frame_header(header, opcode, payload.size());
    header[1] = static_cast<char>(header[1] | kMask);
    std::array<char, 8> key{};
    std::memcpy(key.data(), &mask, 4);
    std::memcpy(key.data() + 4, &mask, 4);
    out.append(header, size).append(key.data(), 4);
    const size_t start = out.size();
    out.append(payload);
    unmask({out.data() + start, payload.size()}, key);  // which is its own inverse
}

}  // namespace wayleave
