#include "daemon/message/api_body.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace wayleave {
namespace {

constexpr std::array<std::string_view, 8> known_members = {"type", "channel", "channels",       "data",
                                                           "key",  "dedup",   "except_session", "receivers"};

Failure<BadMessage> bad(std::string because, bool too_big = false) {
    return failure(BadMessage{std::move(because), too_big});
}

Failure<BadMessage> too_many() {
    return bad("a request has at most " + std::to_string(ApiBody::most_items) + " publications", true);
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const size_t begin = text.find_first_not_of(blank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

Result<ApiBody, BadMessage> split_lines(std::string_view body) {
    ApiBody out;
    out.list = true;
    while (!body.empty()) {
        const size_t end = std::min(body.find('\n'), body.size());
        const std::string_view line = trimmed(body.substr(0, end));
        body.remove_prefix(std::min(end + 1, body.size()));
        if (line.empty()) continue;
        if (out.items.size() == ApiBody::most_items) return too_many();
        out.items.emplace_back(line);
    }
    return out;
}

Result<ApiBody, BadMessage> split_array(std::string_view body) {
    const simdjson::padded_string padded(body);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    simdjson::ondemand::array array;
    if (parser.iterate(padded).get(document) || document.get_array().get(array))
        return bad("the body is no JSON that can be read");
    ApiBody out;
    out.list = true;
    for (auto element : array) {
        simdjson::ondemand::object object;
        std::string_view raw;
        if (out.items.size() == ApiBody::most_items) return too_many();
        if (element.get_object().get(object) || object.raw_json().get(raw))
            return bad("the item " + std::to_string(out.items.size()) + " is no JSON object");
        out.items.emplace_back(trimmed(raw));
    }
    const char* behind = nullptr;
    const bool over = document.current_location().get(behind) == simdjson::OUT_OF_BOUNDS;
    if (!over && (!behind || !trimmed(behind).empty())) return bad("the body is no JSON that can be read");
    return out;
}

}  // namespace

Result<ApiBody, BadMessage> split_body(std::string_view body, bool lines) {
    const std::string_view text = trimmed(body);
    if (text.empty()) return bad("the body is empty");
    auto out = lines                 ? split_lines(text)
               : text.front() == '[' ? split_array(text)
                                     : ApiBody{{std::string(text)}};
    if (out && out->items.empty()) return bad("there is nothing to publish");
    return out;
}

std::string as_message(std::string_view json) {
    if (!json.starts_with('{')) return std::string(json);
    const std::string_view rest = json.substr(1);
    const bool empty = rest.find_first_not_of(" \t\r\n") == rest.find('}');
    return "{\"type\":\"$request\"" + std::string(empty ? "" : ",") + std::string(rest);
}

Result<bool, BadMessage> wants_receivers(const MessageParser::Message& item) {
    const MessageParser::Member* member = item.find("receivers");
    bool wanted = false;
    if (member && member->value.get(wanted) != simdjson::SUCCESS) return bad("`receivers` is true or false");
    return wanted;
}

Result<std::vector<std::string>, BadMessage> channels_of(const MessageParser::Message& item) {
    for (const MessageParser::Member& member : item.members) {
        if (std::find(known_members.begin(), known_members.end(), member.key) == known_members.end())
            return bad("there is no member `" + std::string(member.key) + "`");
    }
    const MessageParser::Member* several = item.find("channels");
    if (several && item.find("channel")) return bad("`channel` and `channels` exclude each other");
    if (!several) {
        if (!dsl::split_channel(text_member(item, "channel"))) return bad(no_channel(item));
        return std::vector<std::string>{std::string(text_member(item, "channel"))};
    }
    simdjson::dom::array names;
    if (several->value.get(names) != simdjson::SUCCESS) return bad("`channels` is a list of texts");
    std::vector<std::string> out;
    for (const simdjson::dom::element name : names) {
        std::string_view text;
        if (name.get(text) != simdjson::SUCCESS || !dsl::split_channel(text))
            return bad("item " + std::to_string(out.size()) + " of `channels` names no channel");
        if (out.size() == ApiBody::most_items) return too_many();
        out.emplace_back(text);
    }
    if (out.empty()) return bad("`channels` is empty");
    std::vector<std::string> sorted = out;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
        return bad("a channel stands twice in `channels`");
    return out;
}

}  // namespace wayleave
