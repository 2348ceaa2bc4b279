#include "daemon/message/shared_frame.h"

#include "daemon/message/sse.h"
#include "daemon/protocol/deflate.h"

namespace wayleave {

const Frame& SharedFrame::deflated(Deflater& deflater) const {
    std::call_once(once_, [&] {
        const auto opcode = static_cast<Opcode>(bytes_.front() & 0x0f);
        deflated_ = deflated_frame(opcode, payload(), deflater);
    });
    return deflated_;
}

const Frame& SharedFrame::event() const {
    std::call_once(event_once_, [&] { event_ = std::make_shared<const std::string>(sse_event(payload())); });
    return event_;
}

Frame deflated_frame(Opcode opcode, std::string_view payload, Deflater& deflater) {
    if (payload.size() < least_deflated) return nullptr;
    const std::string compressed = deflater.deflate(payload);
    if (compressed.empty()) return nullptr;
    return std::make_shared<const std::string>(encode_frame(opcode, compressed, true));
}

}  // namespace wayleave
