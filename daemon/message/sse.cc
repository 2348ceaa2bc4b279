#include "daemon/message/sse.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "dsl/policy/pattern.h"

namespace wayleave {
namespace {

constexpr char version = '1';  // of the id; another one's id is not ours
constexpr std::string_view id_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr char name_sign = ',';  // stands before each name of a channel, and in none
constexpr size_t mark_bytes = 6;
constexpr size_t epoch_bytes = 6;

void put_fixed(std::string& out, uint64_t value, size_t bytes) {
    for (size_t i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xffU);
}

// Seven bits a byte, the lowest first; the last has no high bit.
void put_varying(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7U) out += static_cast<char>(0x80U | (value & 0x7fU));
    out += static_cast<char>(value);
}

uint64_t take_fixed(std::string_view& rest, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8U | static_cast<unsigned char>(rest[i]);
    rest.remove_prefix(bytes);
    return value;
}

// Nothing: it is cut off, larger than 63 bits, or longer than it need be.
std::optional<uint64_t> take_varying(std::string_view& rest) {
    uint64_t value = 0;
    for (size_t i = 0; i < 9 && i < rest.size(); ++i) {
        const auto byte = static_cast<unsigned char>(rest[i]);
        value |= uint64_t{byte & 0x7fU} << (7 * i);
        if (byte & 0x80U) continue;
        if (byte == 0 && i > 0) return std::nullopt;
        rest.remove_prefix(i + 1);
        return value;
    }
    return std::nullopt;
}

std::string to_text(std::string_view bytes) {
    std::string out;
    uint32_t held = 0;
    unsigned bits = 0;
    for (const char c : bytes) {
        held = held << 8U | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6) out += id_digits[held >> (bits - 6) & 63U];
        held &= (1U << bits) - 1;
    }
    if (bits > 0) out += id_digits[held << (6 - bits) & 63U];
    return out;
}

std::optional<std::string> to_bytes(std::string_view text) {
    std::string out;
    uint32_t held = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const size_t digit = id_digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        held = held << 6U | static_cast<uint32_t>(digit);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>(held >> bits & 0xffU);
        held &= (1U << bits) - 1;
    }
    if (bits >= 6 || held != 0) return std::nullopt;
    return out;
}

}  // namespace

std::string sse_event(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 8);
    for (;;) {
        const size_t end = text.find_first_of("\r\n");
        out.append("data: ").append(text.substr(0, end)) += '\n';
        if (end == std::string_view::npos) return out += '\n';
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
    }
}

std::string sse_id(std::string_view id) {
    return "id: " + std::string(id) + "\n";
}

std::string sse_retry(int64_t ms) {
    return "retry: " + std::to_string(ms) + "\n";
}

// The end of the connection is the end of the body: every proxy knows that form, it needs no framing of its
// own, and so an event is the same bytes for all who hear it.
std::string sse_response_head(std::string_view extra_headers) {
    std::string out =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n";
    return out.append(extra_headers).append("\r\n");
}

uint64_t channel_mark(std::string_view channel) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(channel.data(), channel.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL offers no SHA-256");
    std::string_view bytes(reinterpret_cast<const char*>(digest.data()), size);
    return take_fixed(bytes, mark_bytes);
}

bool StreamPositions::add(uint64_t mark, Position position) {
    if (places_.size() >= most_id / (mark_bytes + epoch_bytes)) return false;
    places_.push_back({mark, position});
    return true;
}

bool StreamPositions::add_name(std::string_view channel) {
    if (name_bytes_ + 1 + channel.size() > most_name_bytes) return false;
    name_bytes_ += 1 + channel.size();
    names_.emplace_back(channel);
    return true;
}

std::optional<Position> StreamPositions::find(uint64_t mark) const {
    for (const Place& place : places_) {
        if (place.mark == mark) return place.position;
    }
    return std::nullopt;
}

std::string StreamPositions::id() const {
    const size_t room = (most_id - 1 - name_bytes_) * 6 / 8;
    std::string bytes;
    for (const Place& place : places_) {
        const size_t before = bytes.size();
        put_fixed(bytes, place.mark, mark_bytes);
        put_fixed(bytes, place.position.epoch, epoch_bytes);
        put_varying(bytes, place.position.offset);
        if (bytes.size() <= room) continue;
        bytes.resize(before);
        break;
    }
    std::string out = version + to_text(bytes);
    for (const std::string& name : names_) out.append(1, name_sign).append(name);
    return out;
}

std::optional<StreamPositions> StreamPositions::parse(std::string_view id) {
    if (id.empty() || id.size() > most_id || id.front() != version) return std::nullopt;
    const size_t sign = std::min(id.find(name_sign), id.size());
    const auto bytes = to_bytes(id.substr(1, sign - 1));
    if (!bytes) return std::nullopt;
    StreamPositions out;
    for (std::string_view rest = id.substr(sign); !rest.empty();) {
        rest.remove_prefix(1);
        const std::string_view name = rest.substr(0, rest.find(name_sign));
        if (!dsl::split_channel(name) || !out.add_name(name)) return std::nullopt;
        rest.remove_prefix(name.size());
    }
    for (std::string_view rest = *bytes; !rest.empty();) {
        if (rest.size() <= mark_bytes + epoch_bytes) return std::nullopt;
        Place place;
        place.mark = take_fixed(rest, mark_bytes);
        place.position.epoch = take_fixed(rest, epoch_bytes);
        const auto offset = take_varying(rest);
        if (!offset || place.position.epoch == 0 || out.find(place.mark)) return std::nullopt;
        place.position.offset = *offset;
        out.places_.push_back(place);
    }
    return out;
}

}  // namespace wayleave
