#include "daemon/message/message.h"

#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr std::string_view epoch_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t epoch_size = 8;

}  // namespace

std::string epoch_text(uint64_t epoch) {
    std::string out(epoch_size, epoch_digits.front());
    for (size_t i = epoch_size; i-- > 0; epoch >>= 6U) out[i] = epoch_digits[epoch & 63U];
    return out;
}

std::optional<uint64_t> parse_epoch(std::string_view text) {
    if (text.size() != epoch_size) return std::nullopt;
    uint64_t epoch = 0;
    for (const char c : text) {
        const size_t digit = epoch_digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        epoch = epoch << 6U | digit;
    }
    return epoch;
}

std::string publication_text(const Text& text, Position position) {
    std::string out;
    out.reserve(text.channel.size() + text.id.size() + text.members.size() + 96);
    out += R"({"$":{"channel":)";
    append_json(out, text.channel);
    out += ",\"id\":";
    append_json(out, text.id);
    out += ",\"at\":" + std::to_string(text.at_ms);
    if (position.epoch != 0) {
        out += ",\"epoch\":\"" + epoch_text(position.epoch);
        out += "\",\"offset\":" + std::to_string(position.offset);
    }
    out += '}';
    if (!text.members.empty()) out.append(",").append(text.members);
    return out += '}';
}

}  // namespace wayleave
