#include "daemon/session/message_members.h"

namespace wayleave {

std::optional<Position> position_of(const MessageParser::Member& since) {
    simdjson::dom::object object;
    std::string_view text;
    int64_t offset = 0;
    if (since.value.get(object) != simdjson::SUCCESS || object["epoch"].get(text) != simdjson::SUCCESS ||
        object["offset"].get(offset) != simdjson::SUCCESS || offset < 0)
        return std::nullopt;
    // One that is none of ours is another epoch than any.
    return Position{parse_epoch(text).value_or(0), static_cast<uint64_t>(offset)};
}

}  // namespace wayleave
