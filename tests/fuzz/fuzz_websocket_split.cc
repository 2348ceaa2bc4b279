// The frame decoder with compression: the first bytes of the input say where the rest is split, and with that
// or without, the events are the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "daemon/protocol/deflate.h"
#include "daemon/protocol/websocket.h"

using namespace wayleave;

namespace {

Inflater& inflater() {
    static Inflater one;
    return one;
}

std::string print(const WsEvent& event) {
    if (const auto* m = std::get_if<WsMessage>(&event))
        return std::string(m->binary ? "b" : "t") + (m->compressed ? "z" : "") + std::string(m->payload);
    if (const auto* p = std::get_if<WsPing>(&event)) return "<" + std::string(p->payload);
    if (const auto* p = std::get_if<WsPong>(&event)) return ">" + std::string(p->payload);
    if (const auto* c = std::get_if<WsClose>(&event)) return std::to_string(c->code) + std::string(c->reason);
    const auto& e = std::get<WsError>(event);
    return std::to_string(e.code) + std::string(e.reason);
}

// `cuts` are the sizes of the first pieces; the last piece is all that is left.
std::string decode(std::string_view bytes, const std::vector<size_t>& cuts) {
    const WebSocketLimits limits{.max_message = 4096, .max_fragments = 8, .inflater = &inflater()};
    WebSocketDecoder decoder;
    std::string events;
    for (size_t i = 0; i <= cuts.size(); ++i) {
        std::string piece(bytes.substr(0, i < cuts.size() ? cuts[i] : bytes.size()));
        bytes.remove_prefix(piece.size());
        std::span<char> input(piece);
        WsEvent event;
        while (event = decoder.next(input, limits), !std::holds_alternative<WsNeedMore>(event))
            events += print(event) + '\n';
        if (!input.empty()) std::abort();
        if (decoder.buffered() > 2 * (most_compressed(limits.max_message) + 125)) std::abort();
        if (!decoder.mid_message() && decoder.buffered() != 0) std::abort();
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const size_t count = std::min<size_t>(data[0] % 16, size - 1);
    const std::vector<size_t> cuts(data + 1, data + 1 + count);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1 + count, size - 1 - count);
    const std::string whole = decode(bytes, {});
    if (whole != decode(bytes, cuts) || whole != decode(bytes, std::vector<size_t>(bytes.size(), 1)))
        std::abort();
    return 0;
}
