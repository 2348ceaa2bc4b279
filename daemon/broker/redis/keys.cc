#include "daemon/broker/redis/keys.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/broker/dedup_window.h"

namespace wayleave {
namespace {

constexpr uint32_t slots = 16'384;
constexpr uint32_t slots_each = slots / redis_partitions;
constexpr std::string_view schema_number = ":1:{";
constexpr size_t most_prefix = 64;

std::array<std::string, redis_partitions> make_tags() {
    std::array<std::string, redis_partitions> tags;
    size_t found = 0;
    for (uint32_t number = 0; found < tags.size(); ++number) {
        std::string text = std::to_string(number);
        std::string& tag = tags.at(crc16(text) % slots / slots_each);
        if (!tag.empty()) continue;
        tag = std::move(text);
        ++found;
    }
    return tags;
}

std::string hexadecimal(const DedupKey& key) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const uint64_t half : key) {
        for (unsigned shift = 64; shift > 0;) {
            shift -= 4;
            out += digits[half >> shift & 15U];
        }
    }
    return out;
}

// The length makes two names one to one, whatever bytes are in them.
std::string pair_of(std::string_view channel, std::string_view other) {
    std::string out = std::to_string(channel.size());
    out.append(":").append(channel).append(":").append(other);
    return out;
}

}  // namespace

uint16_t crc16(std::string_view bytes) {
    uint32_t crc = 0;
    for (const char c : bytes) {
        crc ^= uint32_t{static_cast<unsigned char>(c)} << 8U;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? crc << 1U ^ 0x1021U : crc << 1U;
        crc &= 0xffffU;
    }
    return static_cast<uint16_t>(crc);
}

uint32_t partition_of(std::string_view name) {
    return crc16(name) % redis_partitions;
}

std::string_view tag_of(uint32_t partition) {
    static const std::array<std::string, redis_partitions> tags = make_tags();
    return tags.at(partition);
}

RedisKeys::RedisKeys(std::string prefix) : start_(std::move(prefix)) {
    start_ += schema_number;
}

bool RedisKeys::valid_prefix(std::string_view prefix) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-' || c == ':' || c == '/';
    };
    return !prefix.empty() && prefix.size() <= most_prefix && std::all_of(prefix.begin(), prefix.end(), fits);
}

std::string RedisKeys::key(uint32_t partition, std::string_view kind, std::string_view name) const {
    const std::string_view tag = tag_of(partition);
    std::string out;
    out.reserve(start_.size() + tag.size() + kind.size() + name.size() + 3);
    out.append(start_).append(tag).append("}:").append(kind);
    if (!name.empty()) out.append(":").append(name);
    return out;
}

std::string RedisKeys::numbering(std::string_view channel) const {
    return key(partition_of(channel), "h", channel);
}

std::string RedisKeys::history(std::string_view channel) const {
    return key(partition_of(channel), "l", channel);
}

std::string RedisKeys::dedup(std::string_view channel, std::string_view id) const {
    return key(partition_of(channel), "d", hexadecimal(dedup_key(pair_of(channel, id))));
}

std::string RedisKeys::cursor(std::string_view channel, std::string_view user) const {
    return key(partition_of(channel), "c", pair_of(channel, user));
}

std::string RedisKeys::users(std::string_view channel) const {
    return key(partition_of(channel), "p", channel);
}

// The ids are secrets of their tokens, and of any length.
std::string RedisKeys::used_token(std::string_view block, std::string_view id) const {
    const std::string name = hexadecimal(dedup_key(pair_of(block, id)));
    return key(partition_of(name), "t", name);
}

// What is counted is bytes of any kind.
std::string RedisKeys::seats(std::string_view counted) const {
    const std::string name = hexadecimal(dedup_key(counted));
    return key(partition_of(name), "s", name);
}

std::string RedisKeys::places(std::string_view counted) const {
    const std::string name = hexadecimal(dedup_key(counted));
    return key(partition_of(name), "o", name);
}

std::string RedisKeys::messages(std::string_view channel) const {
    return key(partition_of(channel), "m", channel);
}

std::string RedisKeys::control(std::string_view node) const {
    return key(partition_of(node), "ctl", node);
}

std::string RedisKeys::probe(std::string_view node) const {
    return key(partition_of(node), "probe", node);
}

std::string_view RedisKeys::channel_of(std::string_view messages) const {
    constexpr std::string_view kind = "}:m:";
    if (!messages.starts_with(start_)) return {};
    const size_t end = messages.find('}', start_.size());
    if (end == std::string_view::npos || messages.substr(end, kind.size()) != kind) return {};
    return messages.substr(end + kind.size());
}

}  // namespace wayleave
