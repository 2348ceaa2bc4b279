#include "daemon/message/publication_request.h"

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

// What a client says of its own message: short enough to be kept.
constexpr size_t longest_word = 128;

Failure<BadMessage> refused(std::string because) {
    return failure(BadMessage{std::move(because)});
}

// The member of that name, if there is one. False if it is no such word.
bool read_word(const MessageParser::Message& message, std::string_view name, std::string& word) {
    const MessageParser::Member* member = message.find(name);
    if (!member) return true;
    std::string_view text;
    if (member->value.get(text) != simdjson::SUCCESS || text.empty() || text.size() > longest_word)
        return false;
    word = text;
    return true;
}

}  // namespace

Result<PublicationRequest, BadMessage> parse_publication(const MessageParser::Message& message) {
    return parse_publication(message, text_member(message, "channel"));
}

Result<PublicationRequest, BadMessage> parse_publication(const MessageParser::Message& message,
                                                         std::string_view name) {
    const auto channel = dsl::split_channel(name);
    if (!channel) return refused(no_channel(message));
    const MessageParser::Member* data = message.find("data");
    simdjson::dom::object object;
    if (!data || data->value.get(object) != simdjson::SUCCESS) return refused("`data` is a JSON object");
    const std::string_view text = data->raw.substr(data->raw.find('{', data->key.size()));
    PublicationRequest out{*channel, members_of(object, text), text.size()};
    const bool reserved = std::any_of(out.data.begin(), out.data.end(),
                                      [](const auto& member) { return member.key.starts_with('$'); });
    if (reserved) return refused("members that begin with `$` are the server's");
    if (has_duplicates(out.data)) return refused("a member of `data` stands twice");
    if (speaks_as_daemon(out.data)) return refused("types that begin with `$` are the server's");
    return out;
}

std::optional<BadMessage> fill_draft(std::string_view channel, const dsl::ChannelRules& rules,
                                     const Content& content, Draft& draft) {
    for (auto [name, word] : {std::pair{content.key, &draft.key}, {content.dedup, &draft.dedup}}) {
        if (!read_word(content.message, name, *word))
            return BadMessage{"`" + std::string(name) + "` is a text of 1 to 128 bytes"};
    }
    if (!draft.dedup.empty() && rules.dedup_ms == 0)
        return BadMessage{"this channel has no `dedup`: a repetition would not be known"};
    if (draft.key.empty() && rules.needs_key)
        return BadMessage{"this channel needs `" + std::string(content.key) + "`"};
    draft.members = published_members(content.members, content.stamps);
    if (rules.max_message > 0 && draft.members.size() > rules.max_message) {
        return BadMessage{"the message has " + std::to_string(draft.members.size()) +
                              " bytes, and its channel takes " + std::to_string(rules.max_message),
                          true};
    }
    draft.channel = channel;
    draft.retention = retention_of(rules);
    return std::nullopt;
}

Retention retention_of(const dsl::ChannelRules& rules) {
    return {rules.history, rules.keep_ms, rules.dedup_ms};
}

}  // namespace wayleave
