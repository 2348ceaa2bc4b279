#include "daemon/base/json_writer.h"

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave {

namespace {

bool stands_as_it_is(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else if (c == '\n') {
        out += "\\n";
    } else {
        const auto byte = static_cast<unsigned char>(c);
        out += "\\u00";
        out += dsl::hex_digits[byte >> 4];
        out += dsl::hex_digits[byte & 15];
    }
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const auto plain = std::find_if_not(text.begin(), text.end(), stands_as_it_is);
        out.append(text.begin(), plain);
        text.remove_prefix(static_cast<size_t>(plain - text.begin()));
        if (text.empty()) break;
        const size_t size = dsl::utf8_character(text);
        if (size == 0) {
            out += "\xEF\xBF\xBD";
        } else if (size == 1) {
            append_escaped(out, text.front());
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(std::max<size_t>(size, 1));
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
