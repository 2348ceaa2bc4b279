// A message as a complete frame, made once for all who get it, and its other forms, made when the first
// one wants them. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/protocol/websocket.h"

namespace wayleave {

class Deflater;

// Complete bytes for a socket.
using Frame = std::shared_ptr<const std::string>;
[[nodiscard]] inline Frame framed(std::string bytes) {
    return std::make_shared<const std::string>(std::move(bytes));
}

// Less is not worth the work at both ends.
constexpr size_t least_deflated = 128;

class SharedFrame {
  public:
    SharedFrame(Opcode opcode, std::string_view payload)
        : bytes_(encode_frame(opcode, payload)), header_(bytes_.size() - payload.size()) {}
    // The payload is written in place, by `append(std::string&)`; it is about so large.
    template <class Append>
    SharedFrame(Opcode opcode, size_t about, Append append) : header_(begin_frame(bytes_, opcode, about)) {
        append(bytes_);
        header_ = end_frame(bytes_, opcode, header_);
    }

    [[nodiscard]] const std::string& bytes() const { return bytes_; }
    [[nodiscard]] std::string_view payload() const { return std::string_view(bytes_).substr(header_); }

    // With RSV1 set, for those who agreed on compression. Null where it is no gain. The caller's deflater
    // works if nobody's has yet.
    [[nodiscard]] const Frame& deflated(Deflater& deflater) const;

    // As an event of a stream (see sse.h), made when the first one wants it.
    [[nodiscard]] const Frame& event() const;

  private:
    std::string bytes_;
    size_t header_;
    mutable std::once_flag once_;
    mutable Frame deflated_;
    mutable std::once_flag event_once_;
    mutable Frame event_;
};

// One frame for one connection.
[[nodiscard]] Frame deflated_frame(Opcode opcode, std::string_view payload, Deflater& deflater);

}  // namespace wayleave
