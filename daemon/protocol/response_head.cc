#include "daemon/protocol/response_head.h"

#include <algorithm>

#include "daemon/base/ascii.h"

namespace wayleave {
namespace {

bool is_value_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}

// HTTP/1.1 101 Switching Protocols
bool read_status_line(std::string_view line, ResponseHead& out) {
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1')) return false;
    if (line[8] != ' ' || !std::all_of(line.begin() + 9, line.begin() + 12, is_digit)) return false;
    if (line.size() > 12 && line[12] != ' ') return false;
    out.http10 = line[7] == '0';
    out.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    out.phrase = line.substr(std::min<size_t>(line.size(), 13));
    const bool clean = std::all_of(out.phrase.begin(), out.phrase.end(), is_value_char);
    return clean && out.status >= 100 && out.status <= 599;
}

bool read_field(std::string_view line, ResponseHead& out) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
    const std::string_view value = trim(line.substr(colon + 1));
    if (!std::all_of(value.begin(), value.end(), is_value_char)) return false;
    out.fields.push_back({line.substr(0, colon), value});
    return true;
}

}  // namespace

std::string_view ResponseHead::field(std::string_view lower_name) const {
    for (const HttpField& one : fields)
        if (same_ignoring_case(one.name, lower_name)) return one.value;
    return {};
}

size_t ResponseHead::count(std::string_view lower_name) const {
    return static_cast<size_t>(std::count_if(fields.begin(), fields.end(), [&](const HttpField& one) {
        return same_ignoring_case(one.name, lower_name);
    }));
}

ResponseResult parse_response_head(std::string_view bytes, const HeadLimits& limits) {
    const size_t end = bytes.find("\r\n\r\n");
    // What is no HTTP is not waited for until it is as long as a head may be.
    constexpr std::string_view begins = "HTTP/1.";
    const std::string_view start = bytes.substr(0, begins.size());
    if (start != begins.substr(0, start.size())) return ResponseRefusal{"it does not speak HTTP/1.1"};
    if (std::min(end, bytes.size()) > limits.bytes) return ResponseRefusal{"its head is too large"};
    if (end == std::string_view::npos) return NeedMore{};
    ResponseHead out;
    out.size = end + 4;
    std::string_view rest = bytes.substr(0, end + 2);
    const auto next_line = [&] {
        const size_t at = rest.find("\r\n");
        const std::string_view line = rest.substr(0, at);
        rest.remove_prefix(at + 2);
        return line;
    };
    if (!read_status_line(next_line(), out)) return ResponseRefusal{"its status line is malformed"};
    while (!rest.empty()) {
        if (out.fields.size() == limits.fields) return ResponseRefusal{"it has too many fields"};
        if (!read_field(next_line(), out)) return ResponseRefusal{"a field of its head is malformed"};
    }
    return out;
}

}  // namespace wayleave
