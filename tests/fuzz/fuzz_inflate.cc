// Inflating: whatever comes in, what comes out is bounded, and what we compress comes back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "daemon/protocol/deflate.h"

using namespace wayleave;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    constexpr size_t most = 64 << 10;
    static Inflater inflater;
    static Deflater deflater;
    const auto first = inflater.inflate(bytes, most);
    const auto* text = std::get_if<std::string_view>(&first);
    if (text && text->size() > std::min(most, std::max(inflate_floor, size * inflate_ratio))) std::abort();
    const std::string kept(text ? *text : std::string_view());
    const auto again = inflater.inflate(bytes, most);  // nothing of the first is left
    if (first.index() != again.index() || (text && std::get<std::string_view>(again) != kept)) std::abort();
    if (const std::string small = deflater.deflate(bytes); !small.empty()) {
        const auto back = inflater.inflate(small, std::max(size, most));
        const auto* same = std::get_if<std::string_view>(&back);
        if (same ? *same != bytes : size <= inflate_floor) std::abort();  // beyond: the ratio may forbid it
    }
    return 0;
}
