#include "daemon/message/message.h"

#include <array>
#include <charconv>
#include <utility>

#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr std::string_view epoch_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t epoch_size = 8;
constexpr uint8_t no_digit = 0xff;

constexpr auto epoch_values = [] {
    std::array<uint8_t, 256> values{};
    values.fill(no_digit);
    for (size_t i = 0; i < epoch_digits.size(); ++i)
        values.at(static_cast<unsigned char>(epoch_digits[i])) = static_cast<uint8_t>(i);
    return values;
}();

void append_epoch(std::string& out, uint64_t epoch) {
    for (size_t i = epoch_size; i-- > 0;) out += epoch_digits[epoch >> (6 * i) & 63U];
}

template <class Number>
void append_number(std::string& out, Number number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

// About; what is escaped, and numbers of more digits than these, make it longer.
size_t text_size(std::string_view channel, const Body& body) {
    constexpr std::string_view frame =
        R"({"$":{"channel":"","id":"","at":1700000000000,"epoch":"AAAAAAAA","offset":1000000},})";
    return frame.size() + channel.size() + body.id.size() + body.members.size();
}

void append_publication(std::string& out, std::string_view channel, const Body& body, Position position) {
    out += R"({"$":{"channel":)";
    append_json(out, channel);
    out += ",\"id\":";
    append_json(out, body.id);
    out += ",\"at\":";
    append_number(out, body.at_ms);
    if (position.epoch != 0) {
        out += ",\"epoch\":\"";
        append_epoch(out, position.epoch);
        out += "\",\"offset\":";
        append_number(out, position.offset);
    }
    out += '}';
    if (!body.members.empty()) out.append(",").append(body.members);
    out += '}';
}

}  // namespace

std::string epoch_text(uint64_t epoch) {
    std::string out;
    append_epoch(out, epoch);
    return out;
}

std::optional<uint64_t> parse_epoch(std::string_view text) {
    if (text.size() != epoch_size) return std::nullopt;
    uint64_t epoch = 0;
    for (const char c : text) {
        const uint8_t digit = epoch_values[static_cast<unsigned char>(c)];
        if (digit == no_digit) return std::nullopt;
        epoch = epoch << 6U | digit;
    }
    return epoch;
}

std::string publication_text(std::string_view channel, const Body& body, Position position) {
    std::string out;
    append_publication(out, channel, body, position);
    return out;
}

Message::Message(std::string channel_in, Position position_in, const Body& body)
    : channel(std::move(channel_in)),
      position(position_in),
      frame(Opcode::text, text_size(channel, body),
            [&](std::string& out) { append_publication(out, channel, body, position); }) {}

}  // namespace wayleave
