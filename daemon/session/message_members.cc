#include "daemon/session/message_members.h"

#include "daemon/base/json_value.h"
#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr size_t most_channels = 1000;  // in one message

// What a part says of its channel; empty: the element is nothing that can be one. `ambiguous` is set if a
// member stands twice.
std::string members_of_part(simdjson::dom::element element, bool& ambiguous) {
    std::string out;
    const auto add = [&](std::string_view name, simdjson::dom::element value) {
        append_json(out += ',', name);
        out += ':' + simdjson::minify(value);
    };
    simdjson::dom::object object;
    if (element.is_string()) {
        add("channel", element);
    } else if (element.get(object) == simdjson::SUCCESS) {
        for (const char* name : {"channel", "since", "token"})
            if (const auto value = json_member(object, {name}, ambiguous)) add(name, *value);
    }
    return out;
}

}  // namespace

bool names_channels(const MessageParser::Message& message) {
    return (message.type == "$subscribe" || message.type == "$unsubscribe") && message.find("channels");
}

Result<std::vector<std::string>, std::string> parts_of(const MessageParser::Message& message) {
    simdjson::dom::array list;
    if (message.find("channel")) return failure("`channel` or `channels`, and not both");
    if (message.find("channels")->value.get(list) != simdjson::SUCCESS || list.begin() == list.end())
        return failure("`channels` is a list of channels");
    std::vector<std::string> parts;
    for (const simdjson::dom::element element : list) {
        if (parts.size() == most_channels) return failure("`channels` are at most 1000");
        bool ambiguous = false;
        const std::string members = members_of_part(element, ambiguous);
        if (ambiguous) return failure("a member of one of `channels` stands twice");
        if (members.empty()) return failure("each of `channels` is a text, or an object with `channel`");
        std::string part;
        append_json(part += "{\"type\":", message.type);
        if (!message.id.empty()) part.append(",\"$id\":").append(message.id);
        parts.push_back(std::move(part.append(members).append("}")));
    }
    return parts;
}

std::optional<Position> position_of(const MessageParser::Member& since) {
    simdjson::dom::object object;
    std::string_view text;
    int64_t offset = 0;
    bool ambiguous = false;
    if (since.value.get(object) != simdjson::SUCCESS) return std::nullopt;
    const auto epoch = json_member(object, {"epoch"}, ambiguous);
    const auto place = json_member(object, {"offset"}, ambiguous);
    if (!epoch || !place || ambiguous || epoch->get(text) != simdjson::SUCCESS ||
        place->get(offset) != simdjson::SUCCESS || offset < 0)
        return std::nullopt;
    // One that is none of ours is another epoch than any.
    return Position{parse_epoch(text).value_or(0), static_cast<uint64_t>(offset)};
}

}  // namespace wayleave
