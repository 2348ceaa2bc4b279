// The head of one HTTP/1.1 or 1.0 request (RFC 9112), parsed strictly: what could be understood in two ways
// is refused. A pure function over the caller's bytes; nothing is kept between calls but the number that the
// caller holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/protocol/authority.h"

namespace wayleave {

struct HeadLimits {
    size_t bytes = 8192;  // request line, fields and the empty line
    size_t fields = 100;
    // A target that only a backend may read is no refusal: see HttpHead::path_doubt.
    bool passes_on = false;
};

struct HttpField {
    std::string_view name;   // as sent; compare without regard to case
    std::string_view value;  // without the white space around it; may hold HTAB and bytes >= 0x80 (obs-text)
};

// A value. Everything but `path` and `authority` is a view into the buffer that was parsed and dies with it.
struct HttpHead {
    std::string_view method;
    std::string_view target;  // as sent: only for logs. Decide on `path`.
    // As sent: `written_path` without the query, which has no '?' and is known to decode to UTF-8 without
    // control bytes, unless there is a doubt.
    std::string_view written_path;
    std::string_view query;
    bool has_query = false;
    // Static texts: why nobody but a backend may read the path, or the query. Empty where HeadLimits do not
    // ask for them: then it is a refusal. A path in doubt is decoded all the same.
    std::string_view path_doubt;
    std::string_view query_doubt;
    // Of the one Host field, which an absolute target repeats: whoever decides, decides on this. Its name is
    // empty where a request of HTTP/1.0 says none.
    Authority authority;
    uint16_t scheme_port = 0;  // of an absolute target: what its scheme means by no port
    std::string path;  // decoded once; UTF-8; no empty, "." or ".." segment, no backslash, no control byte
    std::vector<HttpField> fields;
    size_t size = 0;  // bytes of the head; what follows is the body or the next protocol
    bool http10 = false;
    bool keep_alive = true;
    std::optional<uint64_t> content_length;
    bool chunked = false;  // the body comes in chunks; then there is no content_length

    // The value of the first field of that name, or empty. Where two would be ambiguous ask count() first.
    [[nodiscard]] std::string_view field(std::string_view lower_name) const;
    [[nodiscard]] size_t count(std::string_view lower_name) const;
};

struct NeedMore {};

struct HeadRefusal {
    int status;               // 400, 431 too large, 501 transfer coding, 505 version
    std::string_view reason;  // static text: what is wrong, and the remedy if there is one
};

using HeadResult = std::variant<NeedMore, HttpHead, HeadRefusal>;

// `bytes` is all that arrived since the head began. `scanned` is 0 at first and is handed back unchanged with
// the longer buffer after NeedMore, so that a head that drips in costs linear time; any other answer resets
// it to 0. The answer does not depend on how the bytes were split. A refusal comes as soon as a byte or the
// request line is wrong; fields are judged when the head is complete. After a refusal the connection cannot
// be resynchronised.
[[nodiscard]] HeadResult parse_head(std::string_view bytes, const HeadLimits& limits, size_t& scanned);

// The decoded value ('+' is a space) of a query parameter. Nothing when it is absent, is there twice (also in
// an encoded spelling), or when any part of the query is malformed, holds a control byte or is not UTF-8.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);

// All values of a parameter that may be repeated, in their order. Nothing when the query is malformed.
[[nodiscard]] std::vector<std::string> query_values(std::string_view query, std::string_view name);

// A cookie (RFC 6265 5.4, names are case-sensitive) out of all Cookie fields, without the quotes around a
// value that needs none. Nothing when it is absent, is there twice, or holds a byte that is not printable
// ASCII.
[[nodiscard]] std::optional<std::string_view> cookie_value(const HttpHead& head, std::string_view name);
[[nodiscard]] size_t cookie_count(const HttpHead& head, std::string_view name);
// Whether a cookie can have this value, and would be read as it.
[[nodiscard]] bool is_cookie_text(std::string_view text);

// A decoded path that begins with '/'. Servers make other paths of an empty segment, "." and "..". One slash
// at the end is a last empty segment and allowed.
[[nodiscard]] bool has_ambiguous_segment(std::string_view path);

// RFC 9110 5.6.2: at least one character, all of them token characters.
[[nodiscard]] bool is_token(std::string_view text);
[[nodiscard]] bool same_ignoring_case(std::string_view a, std::string_view b);
// `text` without spaces and tabs at either end (RFC 9110 5.6.3, OWS).
[[nodiscard]] std::string_view trim(std::string_view text);
// Takes the text before the next `separator` off the front of `rest`, trimmed; false when nothing is left. An
// empty text gives one empty part, and "a," two: start with has_more = true.
[[nodiscard]] bool next_part(std::string_view& rest, char separator, bool& has_more, std::string_view& part);
// Whether the comma-separated lists of all fields of that name hold the token, without regard to case.
[[nodiscard]] bool list_has(const HttpHead& head, std::string_view lower_name, std::string_view token);

}  // namespace wayleave
