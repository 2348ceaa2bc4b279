#include "daemon/base/json_writer.h"

#include "dsl/text/text.h"

namespace wayleave {

void append_json(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const size_t broken = dsl::first_invalid_utf8(text);
        for (const char c : text.substr(0, broken)) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (c == '\n') {
                out += "\\n";
            } else if (byte < 0x20 || byte == 0x7f) {
                out += "\\u00";
                out += dsl::hex_digits[byte >> 4];
                out += dsl::hex_digits[byte & 15];
            } else {
                out += c;
            }
        }
        if (broken == std::string_view::npos) break;
        out += "\xEF\xBF\xBD";
        text.remove_prefix(broken + 1);
    }
    out += '"';
}

std::string json_string(std::string_view text) {
    std::string out;
    append_json(out, text);
    return out;
}

JsonArray& JsonArray::raw(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
    return *this;
}

void JsonObject::begin(std::string_view name) {
    if (text_.size() > 1) text_ += ',';
    append_json(text_, name);
    text_ += ':';
}

JsonObject& JsonObject::add(std::string_view name, std::string_view text) {
    begin(name);
    append_json(text_, text);
    return *this;
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
    begin(name);
    text_ += json;
    return *this;
}

}  // namespace wayleave
