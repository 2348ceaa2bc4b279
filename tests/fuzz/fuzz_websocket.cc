// The frame decoder: the same bytes, whole and split where the first byte of the input says, give the same
// events.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/protocol/websocket.h"

using namespace wayleave;

namespace {

constexpr WebSocketLimits kLimits{.max_message = 4096, .max_fragments = 8};

struct Print {
    std::string operator()(const WsNeedMore&) const { return {}; }
    std::string operator()(const WsMessage& m) const {
        if (m.payload.size() > kLimits.max_message) std::abort();
        return (m.binary ? "b" : "t") + std::string(m.payload);
    }
    std::string operator()(const WsPing& p) const { return "<" + std::string(p.payload); }
    std::string operator()(const WsPong& p) const { return ">" + std::string(p.payload); }
    std::string operator()(const WsClose& c) const { return std::to_string(c.code) + std::string(c.reason); }
    std::string operator()(const WsError& e) const { return std::to_string(e.code) + std::string(e.reason); }
};

std::string decode(std::string_view bytes, size_t step) {
    WebSocketDecoder decoder;
    std::string events;
    while (!bytes.empty()) {
        std::string piece(bytes.substr(0, step));
        bytes.remove_prefix(piece.size());
        std::span<char> input(piece);
        WsEvent event;
        while (event = decoder.next(input, kLimits), !std::holds_alternative<WsNeedMore>(event))
            events += std::visit(Print{}, event) + '\n';
        if (!input.empty() || decoder.buffered() > 2 * (kLimits.max_message + 125)) std::abort();
        if (!decoder.mid_message() && decoder.buffered() != 0) std::abort();
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string whole = decode(bytes, size);
    if (whole != decode(bytes, std::max<size_t>(data[0] % 64, 1)) || whole != decode(bytes, 1)) std::abort();
    return 0;
}
