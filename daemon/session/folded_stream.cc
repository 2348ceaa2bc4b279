#include "daemon/session/folded_stream.h"

#include "daemon/base/json_text.h"
#include "daemon/base/json_writer.h"
#include "daemon/protocol/base64.h"

namespace wayleave {

std::string stream_open_text(std::string_view name) {
    std::string out = R"({"type":"$stream","stream":)";
    append_json(out, name);
    return out.append(R"(,"state":"open"})");
}

std::string stream_closed_text(std::string_view name, const StreamEnd& end) {
    std::string out = R"({"type":"$stream","stream":)";
    append_json(out, name);
    out.append(R"(,"state":"closed","code":)").append(std::to_string(end.code)).append(R"(,"reason":)");
    append_json(out, end.reason);
    // As in `$bye`: milliseconds.
    if (end.retry_ms) out.append(R"(,"retry_after":)").append(std::to_string(*end.retry_ms));
    return out + "}";
}

std::string stream_message_text(simdjson::dom::parser& parser, std::string_view name, bool binary,
                                std::string_view payload) {
    std::string out = R"({"stream":)";
    append_json(out, name);
    if (binary) {
        out.append(",\"base64\":\"").append(base64_text(payload)).append("\"}");
        return out;
    }
    simdjson::dom::element root;
    if (parse_json(parser, payload, root) == simdjson::SUCCESS) {
        out.append(",\"payload\":").append(payload).append("}");
        return out;
    }
    out += ",\"text\":";
    append_json(out, payload);
    return out + "}";
}

Result<StreamMessage> read_stream_message(const MessageParser::Message& message) {
    const auto* payload = message.find("payload");
    const auto* text = message.find("text");
    const auto* bytes = message.find("base64");
    if ((payload != nullptr) + (text != nullptr) + (bytes != nullptr) != 1)
        return failure(std::string("a message to a stream has one of `payload`, `text` and `base64`"));
    for (const MessageParser::Member& member : message.members) {
        if (&member == payload || &member == text || &member == bytes) continue;
        if (member.key != "stream" && member.key != "$id")
            return failure("a message to a stream has no member " + std::string(member.key));
    }
    if (payload) return StreamMessage{false, std::string(raw_value(*payload))};
    std::string_view said;
    if ((text ? text : bytes)->value.get(said) != simdjson::SUCCESS)
        return failure(std::string(text ? "`text` is a text" : "`base64` is a text"));
    if (text) return StreamMessage{false, std::string(said)};
    auto decoded = decode_base64(said);
    if (!decoded) return failure(std::string("`base64` is not base64 with its padding"));
    return StreamMessage{true, std::move(*decoded)};
}

bool is_final_close(uint16_t code) {
    switch (code) {
        case 1001:
        case 1005:
        case 1006:
        case 1011:
        case 1012:
        case 1013:
        case 1014: return false;
        default: return true;
    }
}

}  // namespace wayleave
