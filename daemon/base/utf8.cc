#include "daemon/base/utf8.h"

#include <simdjson.h>

#include <algorithm>

namespace wayleave {
namespace {

constexpr uint8_t first_continuation = 0x80;
constexpr uint8_t last_continuation = 0xbf;

// Where the last character begins, if its first byte is so near the end that it may lack something.
size_t end_of_whole_characters(std::string_view bytes) {
    const size_t near = std::min<size_t>(bytes.size(), 3);
    for (size_t back = 1; back <= near; ++back) {
        const auto byte = static_cast<uint8_t>(bytes[bytes.size() - back]);
        if (byte > last_continuation) return bytes.size() - back;
        if (byte < first_continuation) break;
    }
    return bytes.size();
}

}  // namespace

bool is_utf8(std::string_view text) {
    return text.empty() || simdjson::validate_utf8(text.data(), text.size());
}

// The bulk goes the fast way, and byte by byte what is left of the piece before and begun for the next.
bool Utf8Reader::take(std::string_view bytes) {
    while (missing_ > 0 && !bytes.empty()) {
        if (!step(static_cast<uint8_t>(bytes.front()))) return false;
        bytes.remove_prefix(1);
    }
    const size_t whole = end_of_whole_characters(bytes);
    if (!is_utf8(bytes.substr(0, whole))) return false;
    for (const char byte : bytes.substr(whole)) {
        if (!step(static_cast<uint8_t>(byte))) return false;
    }
    return true;
}

bool Utf8Reader::step(uint8_t byte) {
    if (missing_ == 0) return begin(byte);
    if (byte < low_ || byte > high_) return false;
    --missing_;
    low_ = first_continuation;
    high_ = last_continuation;
    return true;
}

// RFC 3629 4: the second byte of some is bounded further, against long forms, surrogates and what lies beyond
// U+10FFFF.
bool Utf8Reader::begin(uint8_t first) {
    if (first < first_continuation) return true;
    if (first < 0xc2 || first > 0xf4) return false;
    missing_ = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    low_ = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : first_continuation;
    high_ = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : last_continuation;
    return true;
}

}  // namespace wayleave
