#include "daemon/message/client_message.h"

#include <algorithm>
#include <cstring>

#include "daemon/base/json_text.h"
#include "daemon/base/json_value.h"
#include "daemon/base/json_writer.h"
#include "daemon/protocol/http_head.h"
#include "dsl/policy/message_type.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t most_members = 256;
constexpr size_t longest_id = 130;

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// The daemon's own begin with `$` and are words.
bool is_type(std::string_view text) {
    if (!text.starts_with('$')) return dsl::is_message_type(text);
    return text.size() > 1 && text.size() <= dsl::longest_message_type &&
           std::all_of(text.begin() + 1, text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-' || c == ':' || c == '/';
           });
}

// What a client says about its message to the daemon, and not to those who read it.
bool is_for_daemon(std::string_view key) {
    return key == "$id" || key == "$key" || key == "$dedup";
}

// JSON text of a string or an integer. It is given back as it came, so it need not be one that we can hold.
bool is_id(std::string_view raw) {
    const bool kind = raw.starts_with('"') || raw.find_first_not_of("-0123456789") == std::string_view::npos;
    return kind && raw.size() <= longest_id;
}

std::string_view value_of(std::string_view member) {
    // The key is a JSON string: its end is the first quote that no backslash escapes.
    size_t at = 1;
    while (member[at] != '"') at += member[at] == '\\' ? 2 : 1;
    const size_t colon = member.find(':', at);
    return without_blanks(member.substr(colon + 1));
}

// The first members of an object's text, in order: `"key": value` each.
std::vector<std::string_view> split_members(std::string_view object, size_t most) {
    std::vector<std::string_view> out;
    object = without_blanks(object);
    object = object.substr(1, object.size() - 2);
    size_t depth = 0;
    size_t start = 0;
    for (size_t i = 0; i < object.size(); ++i) {
        const char c = object[i];
        if (c == '"') {
            for (++i; object[i] != '"'; ++i) i += object[i] == '\\' ? 1 : 0;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            --depth;
        } else if (c == ',' && depth == 0) {
            out.push_back(without_blanks(object.substr(start, i - start)));
            if (out.size() == most) return out;
            start = i + 1;
        }
    }
    const std::string_view last = without_blanks(object.substr(start));
    if (!last.empty()) out.push_back(last);
    return out;
}

}  // namespace

std::vector<MessageParser::Member> members_of(simdjson::dom::object object, std::string_view text,
                                              size_t most) {
    const std::vector<std::string_view> raw = split_members(text, most);
    std::vector<MessageParser::Member> members;
    members.reserve(raw.size());
    for (const auto field : object) {
        if (members.size() == raw.size()) break;
        members.push_back({field.key, raw[members.size()], field.value});
    }
    return members;
}

bool has_duplicates(const std::vector<MessageParser::Member>& members) {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const MessageParser::Member& member : members) keys.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

const MessageParser::Member* MessageParser::Message::find(std::string_view key) const {
    const auto it =
        std::find_if(members.begin(), members.end(), [&](const Member& member) { return member.key == key; });
    return it == members.end() ? nullptr : &*it;
}

Result<const MessageParser::Message*, std::string_view> MessageParser::parse(std::string_view text,
                                                                             bool streams) {
    using namespace std::string_view_literals;
    message_.type = message_.stream = message_.id = {};
    message_.members.clear();
    // simdjson reads past the end: it gets a copy with room behind it, in a buffer that is kept.
    buffer_.resize(text.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(buffer_.data(), text.data(), text.size());
    simdjson::dom::element root;
    const auto error = parser_.parse(buffer_.data(), text.size(), false).get(root);
    if (parse_json_again(parser_, text, error, root) != simdjson::SUCCESS) return failure("not JSON"sv);
    if (root.get(message_.object) != simdjson::SUCCESS) return failure("not a JSON object"sv);

    message_.members = members_of(message_.object, text, most_members);
    if (const Member* id = message_.find("$id")) {
        const std::string_view raw = value_of(id->raw);
        if (is_id(raw))
            message_.id = raw;
        else
            return failure("`$id` is a short string or an integer"sv);
    }
    if (message_.object.size() > most_members) return failure("more than 256 members"sv);
    if (has_duplicates(message_.members)) return failure("a member stands twice"sv);
    const Member* type = message_.find("type");
    const Member* stream = type || !streams ? nullptr : message_.find("stream");
    if (stream && stream->value.get(message_.stream) == simdjson::SUCCESS && !message_.stream.empty())
        return &message_;
    if (!type) return failure("no `type`"sv);
    if (type->value.get(message_.type) != simdjson::SUCCESS || !is_type(message_.type)) {
        return failure("`type` is a text of 1 to 128 bytes without control characters"sv);
    }
    if (message_.type.starts_with('$')) return &message_;
    for (const Member& member : message_.members) {
        if (member.key.starts_with('$') && !is_for_daemon(member.key))
            return failure("members that begin with `$` are the server's"sv);
    }
    return &message_;
}

Result<std::vector<dsl::Value>, FieldError> read_fields(const dsl::Message& block,
                                                        const MessageParser::Message& message) {
    std::vector<dsl::Value> values;
    values.reserve(block.fields.size());
    for (const dsl::FieldDecl& field : block.fields) {
        const auto wrong = [&](const std::string& what) {
            return failure(FieldError{"the field " + field.name + " " + what, field.place});
        };
        bool ambiguous = false;
        const auto member = json_member(message.object, field.member, ambiguous);
        if (ambiguous) return wrong("stands twice");
        if (!member) {
            if (field.required) return wrong("is missing");
            values.push_back(field.otherwise);
            continue;
        }
        auto value = json_value(*member, field.type);
        if (!value) return wrong("is no " + to_string(field.type));
        const bool listed =
            field.in.empty() || std::any_of(field.in.begin(), field.in.end(), [&](const dsl::Scalar& known) {
                return dsl::to_value(known) == *value;
            });
        if (!listed) return wrong("has a value that is not in its set");
        values.push_back(std::move(*value));
    }
    if (!block.strict) return values;
    for (const MessageParser::Member& member : message.members) {
        const bool known =
            member.key == "type" || is_for_daemon(member.key) ||
            std::any_of(block.fields.begin(), block.fields.end(),
                        [&](const dsl::FieldDecl& field) { return field.member.front() == member.key; });
        if (!known)
            return failure(FieldError{
                "the member " + dsl::quoted(member.key) + " is not a field of this message", block.place});
    }
    return values;
}

std::string_view raw_value(const MessageParser::Member& member) {
    return value_of(member.raw);
}

std::string_view text_member(const MessageParser::Message& message, std::string_view key) {
    std::string_view text;
    const MessageParser::Member* member = message.find(key);
    if (!member || member->value.get(text) != simdjson::SUCCESS) return {};
    return text;
}

std::string no_channel(const MessageParser::Message& message) {
    const MessageParser::Member* member = message.find("channel");
    std::string_view text;
    if (!member) return "`channel` is missing";
    if (member->value.get(text) != simdjson::SUCCESS) return "`channel` is no text";
    return dsl::no_channel(text);
}

bool speaks_as_daemon(const std::vector<MessageParser::Member>& data) {
    return std::any_of(data.begin(), data.end(), [](const MessageParser::Member& member) {
        if (member.key != "type") return false;
        std::string_view type;
        // A text that we cannot hold may begin with anything.
        if (member.value.get(type) != simdjson::SUCCESS) return value_of(member.raw).starts_with('"');
        return type.starts_with('$');
    });
}

Stamps stamps_of(const dsl::Program& program, const dsl::Message& block, const dsl::Request& request) {
    Stamps out;
    out.reserve(block.stamps.size());
    for (const dsl::Stamp& stamp : block.stamps) {
        std::string text;
        append_json(text, dsl::copy_of(dsl::fetch(program, stamp.value, request)), stamp.type);
        out.emplace_back(stamp.member, std::move(text));
    }
    return out;
}

Stamps with_type(const Stamps& stamps, std::string_view type) {
    Stamps out = stamps;
    if (type.empty()) return out;
    std::string text;
    append_json(text, type);
    out.emplace(out.begin(), "type", std::move(text));
    return out;
}

std::string reply_members(const std::vector<MessageParser::Member>& members, const Stamps& stamps) {
    std::vector<MessageParser::Member> said = members;
    std::erase_if(said, [](const auto& member) { return same_ignoring_case(member.key, "re"); });
    Stamps ours = stamps;
    std::erase_if(ours, [](const auto& stamp) { return same_ignoring_case(stamp.first, "re"); });
    return published_members(said, ours);
}

std::string published_members(const std::vector<MessageParser::Member>& members, const Stamps& stamps) {
    std::string out;
    for (const auto& [name, text] : stamps) {
        if (!out.empty()) out += ',';
        append_json(out, name);
        out.append(":").append(text);
    }
    for (const MessageParser::Member& member : members) {
        // A reader that does not mind the case of letters would take `From` for `from`.
        const bool stamped = std::any_of(stamps.begin(), stamps.end(), [&](const auto& stamp) {
            return same_ignoring_case(stamp.first, member.key);
        });
        if (stamped || member.key.starts_with('$')) continue;
        if (!out.empty()) out += ',';
        out += member.raw;
    }
    return out;
}

}  // namespace wayleave
