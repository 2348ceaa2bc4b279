#include "daemon/protocol/proxied_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace wayleave {
namespace {

using Fields = std::vector<HttpField>;

template <size_t Size>
bool is_one_of(const std::array<std::string_view, Size>& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view one) { return same_ignoring_case(one, name); });
}

// The last names of `Connection`, too: they are of the hop where it says so.
bool is_named_by_connection(const Fields& fields, std::string_view name) {
    for (const HttpField& field : fields) {
        if (!same_ignoring_case(field.name, "connection")) continue;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);)
            if (same_ignoring_case(part, name)) return true;
    }
    return false;
}

bool is_of_hop(const Fields& fields, std::string_view name) {
    constexpr std::array<std::string_view, 8> hop{"connection", "keep-alive",    "proxy-connection",
                                                  "te",         "trailer",       "transfer-encoding",
                                                  "upgrade",    "content-length"};
    return is_one_of(hop, name) || is_named_by_connection(fields, name);
}

template <typename Stays>
std::string lines_of(const Fields& fields, const Stays& stays) {
    std::string out;
    for (const HttpField& field : fields) {
        if (stays(field.name)) continue;
        out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    return out;
}

// Digits alone, and no more than 64 bits hold.
std::optional<uint64_t> length_of(std::string_view text) {
    uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
}

// Many applications read `X_Forwarded_For` as `X-Forwarded-For`: what is ours is ours in both spellings.
bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 9> ours{"host",
                                                   "proxy",  // would be HTTP_PROXY to a CGI program
                                                   "proxy-authorization",
                                                   "forwarded",
                                                   "x-forwarded-for",
                                                   "x-forwarded-proto",
                                                   "x-forwarded-host",
                                                   "wayleave-identity",
                                                   "traceparent"};
    std::string dashed(name);
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    return is_one_of(ours, dashed);
}

}  // namespace

std::string fields_for_backend(const HttpHead& head) {
    return lines_of(head.fields,
                    [&](std::string_view name) { return is_ours(name) || is_of_hop(head.fields, name); });
}

std::string fields_for_client(const ResponseHead& head) {
    return lines_of(head.fields, [&](std::string_view name) {
        return same_ignoring_case(name, "proxy-authenticate") || is_of_hop(head.fields, name);
    });
}

std::string path_for_backend(std::string_view written) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view plain = "-._~/!$&'()*+,;=:@%";
    std::string out;
    for (const char c : written) {
        const auto byte = static_cast<unsigned char>(c);
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out.append("%") += digits[byte >> 4U];
            out += digits[byte & 15U];
        }
    }
    return out;
}

FramingResult framing_of(const ResponseHead& head, bool to_head) {
    using Kind = ResponseFraming::Kind;
    const size_t lengths = head.count("content-length");
    const size_t codings = head.count("transfer-encoding");
    const auto length = length_of(head.field("content-length"));
    if (lengths > 1 || (lengths == 1 && !length)) return ResponseRefusal{"its Content-Length is no number"};
    if (codings > 0 && (lengths > 0 || codings > 1 || head.http10))
        return ResponseRefusal{"its body could end in two places"};
    if (codings > 0 && !same_ignoring_case(head.field("transfer-encoding"), "chunked"))
        return ResponseRefusal{"its body has a transfer coding that is not chunked"};
    if (to_head || head.status == 204 || head.status == 304) return ResponseFraming{Kind::none, 0};
    if (codings > 0) return ResponseFraming{Kind::chunked, 0};
    if (lengths > 0) return ResponseFraming{Kind::length, *length};
    return ResponseFraming{Kind::until_close, 0};
}

}  // namespace wayleave
