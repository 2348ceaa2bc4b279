#include "daemon/decision/credential.h"

#include <simdjson.h>

#include <algorithm>

#include "daemon/protocol/http_head.h"

namespace wayleave {
namespace {

using From = dsl::SourceKind;

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_visible(char c) {
    return c > 0x20 && c < 0x7f;
}

bool is_field_value(std::string_view text) {
    return trim(text) == text &&
           std::none_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != '\t'; });
}

}  // namespace

const dsl::TokenSource& source_of(const std::vector<dsl::TokenSource>& from, uint32_t number) {
    static const dsl::TokenSource bearer{From::header, "authorization"};
    return from.empty() ? bearer : from.at(number);
}

bool carries_text(const dsl::TokenSource& source) {
    return source.kind == From::query || source.kind == From::cookie || source.kind == From::header ||
           source.kind == From::subprotocol;
}

bool can_carry(const dsl::TokenSource& source, std::string_view text) {
    if (text.empty()) return false;
    switch (source.kind) {
        case From::cookie: return is_cookie_text(text);
        case From::header:
            return source.name == "authorization" ? std::all_of(text.begin(), text.end(), is_visible)
                                                  : is_field_value(text);
        case From::subprotocol: return is_token(text);
        case From::query:
            return std::none_of(text.begin(), text.end(), is_control) &&
                   simdjson::validate_utf8(text.data(), text.size());
        default: return false;
    }
}

std::string header_of(const dsl::TokenSource& source, std::string_view text) {
    if (source.kind == From::cookie) return "Cookie: " + source.name + "=" + std::string(text);
    const std::string_view scheme = source.name == "authorization" ? "Bearer " : "";
    return source.name + ": " + std::string(scheme) + std::string(text);
}

}  // namespace wayleave
