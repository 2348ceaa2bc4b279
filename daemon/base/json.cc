#include "daemon/base/json.h"

#include <fmt/format.h>

#include "dsl/text/text.h"

namespace wayleave {

std::string json_string(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const size_t valid = std::min(dsl::first_invalid_utf8(text), text.size());
        for (const char c : text.substr(0, valid)) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out.append({'\\', c});
            } else if (c == '\n') {
                out += "\\n";
            } else if (byte < 0x20 || byte == 0x7f) {
                out += fmt::format("\\u{:04x}", byte);
            } else {
                out += c;
            }
        }
        if (valid < text.size()) out += "\xEF\xBF\xBD";
        text.remove_prefix(std::min(valid + 1, text.size()));
    }
    return out + '"';
}

}  // namespace wayleave
