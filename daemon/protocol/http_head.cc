#include "daemon/protocol/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/base/ascii.h"
#include "daemon/base/utf8.h"

namespace wayleave {
namespace {

using HeadFault = std::optional<HeadRefusal>;  // nothing: all is well

HeadRefusal bad_head(std::string_view reason) {
    return {400, reason};
}

constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
    for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = true;
    for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = true;
    for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr std::array<bool, 256> kTokenTable = make_token_table();

bool is_token_char(char c) {
    return kTokenTable[static_cast<unsigned char>(c)];
}
bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// Percent-decoding of a path, or of a query where '+' is a space.
enum class Part { path, query };

struct Decoded {
    std::string text;
    std::string_view wrong;  // empty: all is well
    std::string_view doubt;  // likewise; two servers may read another text
};

Decoded decode(std::string_view raw, Part part) {
    Decoded out;
    out.text.reserve(raw.size());
    for (size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '+' && part == Part::query) c = ' ';
        if (c == '%') {
            const int high = raw.size() - i > 2 ? hex_digit(raw[i + 1]) : -1;
            const int low = raw.size() - i > 2 ? hex_digit(raw[i + 2]) : -1;
            if (high < 0 || low < 0) return {{}, "'%' in the target without two hexadecimal digits", {}};
            c = static_cast<char>(high * 16 + low);
            i += 2;
            // Whoever decodes before splitting sees other segments than whoever splits first.
            if (c == '/' && part == Part::path) out.doubt = "encoded slash in the path";
        }
        if (c == '\\' && part == Part::path) return {{}, "backslash in the path", {}};
        if (is_control(c)) return {{}, "encoded control byte in the target", {}};
        out.text.push_back(c);
    }
    if (!is_utf8(out.text)) return {{}, "the target does not decode to UTF-8", {}};
    return out;
}

// RFC 9112 3.2.2: what a proxy is sent, and what every server accepts. Leaves the path and the query.
HeadFault take_authority(std::string_view& target, HttpHead& head) {
    const size_t scheme = target.find("://");
    const std::string_view name = target.substr(0, std::min(scheme, target.size()));
    const bool secure = same_ignoring_case(name, "https");
    if (scheme == std::string_view::npos || (!secure && !same_ignoring_case(name, "http")))
        return bad_head(
            "the request target must be a path that begins with '/', or an http or https address");
    target.remove_prefix(scheme + 3);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    auto authority = parse_authority(target.substr(0, end));
    if (!authority) return bad_head("the request target names no host");
    head.authority = std::move(*authority);
    head.scheme_port = secure ? 443 : 80;
    target.remove_prefix(end);
    return {};
}

HeadFault parse_target(std::string_view target, bool passes_on, HttpHead& head) {
    head.target = target;
    for (char c : target) {
        // Control bytes were refused by the scan; a space cannot be here. What is left is HTAB, '#' and >=
        // 0x80.
        if (c == '\t' || c == '#' || static_cast<unsigned char>(c) >= 0x80)
            return bad_head("character in the request target that must be percent-encoded");
    }
    if (!target.starts_with('/')) {
        if (const HeadFault refused = take_authority(target, head)) return refused;
    }
    const size_t mark = target.find('?');
    head.written_path = mark == 0 || target.empty() ? "/" : target.substr(0, mark);
    Decoded path = decode(head.written_path, Part::path);
    if (!path.wrong.empty()) return bad_head(path.wrong);
    if (!path.doubt.empty() && !passes_on) return bad_head(path.doubt);
    head.path_doubt = path.doubt;
    if (has_ambiguous_segment(path.text)) return bad_head("empty, '.' or '..' segment in the path");
    head.path = std::move(path.text);
    if (mark == std::string_view::npos) return {};
    head.has_query = true;
    head.query = target.substr(mark + 1);
    const Decoded query = decode(head.query, Part::query);
    if (!query.wrong.empty() && !passes_on) return bad_head(query.wrong);
    head.query_doubt = query.wrong;
    return {};
}

HeadFault read_version(std::string_view version, HttpHead& head) {
    head.http10 = version == "HTTP/1.0";
    if (version == "HTTP/1.1" || head.http10) return {};
    const bool is_http = version.size() == 8 && version.substr(0, 5) == "HTTP/" && is_digit(version[5]) &&
                         version[6] == '.' && is_digit(version[7]);
    if (is_http) return HeadRefusal{505, "only HTTP/1.1 and 1.0 are spoken here"};
    return bad_head("the request line must end in HTTP/1.1");
}

// RFC 9112 3: method SP request-target SP HTTP-version, each space exactly one.
HeadFault parse_request_line(std::string_view line, bool passes_on, HttpHead& head) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last || line.find(' ', first + 1) != last)
        return bad_head("the request line must be a method, a target and HTTP/1.1, with one space between");
    head.method = line.substr(0, first);
    if (!is_token(head.method)) return bad_head("the method is not a token");
    if (const HeadFault refused = read_version(line.substr(last + 1), head)) return refused;
    return parse_target(line.substr(first + 1, last - first - 1), passes_on, head);
}

HeadFault parse_fields(std::string_view block, const HeadLimits& limits, HttpHead& head) {
    constexpr size_t usual = 16;  // of a browser
    head.fields.reserve(std::min(usual, limits.fields));
    while (!block.empty()) {
        const size_t end = block.find("\r\n");  // there is one: the scan saw the end of the head
        const std::string_view line = block.substr(0, end);
        block.remove_prefix(end + 2);
        if (head.fields.size() == limits.fields) return HeadRefusal{431, "too many header fields"};
        if (line.front() == ' ' || line.front() == '\t')
            return bad_head("folded header line; send it as one line");
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos) return bad_head("header line without a colon");
        const std::string_view name = line.substr(0, colon);
        if (!is_token(name))
            return bad_head("field name that is empty or holds a space or a special character");
        head.fields.push_back({name, trim(line.substr(colon + 1))});
    }
    return {};
}

// RFC 9112 3.2. An absolute target says the same again (3.2.2): where the two differ, one of those between us
// and the client has understood another address than the other.
HeadFault check_host(HttpHead& head) {
    const size_t hosts = head.count("host");
    if (hosts == 0 && head.http10) return {};  // health checks of proxies
    if (hosts == 0) return bad_head("the Host field is missing");
    if (hosts > 1) return bad_head("more than one Host field");
    auto authority = parse_authority(head.field("host"));
    if (!authority) return bad_head("the Host field is not a name or address with an optional port");
    const auto port = [&](const Authority& one) { return one.port.value_or(head.scheme_port); };
    const bool same = head.authority.name == authority->name && port(head.authority) == port(*authority);
    if (!head.authority.name.empty() && !same)
        return bad_head("the target names another host than the Host field");
    head.authority = std::move(*authority);
    return {};
}

// RFC 9112 6: a length that two parsers could read differently is how requests are smuggled.
HeadFault check_framing(HttpHead& head) {
    const size_t lengths = head.count("content-length");
    if (lengths > 1) return bad_head("more than one Content-Length field");
    if (head.count("transfer-encoding") > 0) {
        if (head.http10) return bad_head("Transfer-Encoding in a request of HTTP/1.0");
        if (lengths > 0) return bad_head("both Transfer-Encoding and Content-Length");
        head.chunked = head.count("transfer-encoding") == 1 &&
                       same_ignoring_case(head.field("transfer-encoding"), "chunked");
        if (head.chunked) return {};
        return HeadRefusal{501, "no transfer coding but chunked is accepted"};
    }
    if (lengths == 0) return {};
    const std::string_view value = head.field("content-length");
    if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit))
        return bad_head("Content-Length is not a number");
    uint64_t length = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), length);
    if (result.ec != std::errc{}) return bad_head("Content-Length is too large a number");
    head.content_length = length;
    return {};
}

// What a walk over the bytes not seen before found out.
struct Scan {
    size_t size = 0;             // of the complete head; 0 while the empty line has not arrived
    size_t request_line_lf = 0;  // where the request line ended, if it did in this walk
    HeadFault refused;
};

HeadFault check_byte(std::string_view bytes, size_t at) {
    const char c = bytes[at];
    if (at == 0 && !is_token_char(c))
        return bad_head(c == 0x16 ? "this is a TLS handshake on a port without TLS"
                                  : "this is not an HTTP request");
    if (at > 0 && bytes[at - 1] == '\r' && c != '\n') return bad_head("CR without LF");
    if (c == '\n' && bytes[at - 1] != '\r') return bad_head("LF without CR; lines end in CRLF");
    if (is_control(c) && c != '\t' && c != '\r' && c != '\n') return bad_head("control byte in the head");
    return {};
}

Scan scan_new_bytes(std::string_view bytes, size_t& scanned) {
    Scan scan;
    for (; scanned < bytes.size(); ++scanned) {
        // Nearly all of them; check_byte() is for those that could be wrong.
        if (scanned > 0 && !is_control(bytes[scanned]) && bytes[scanned - 1] != '\r') continue;
        scan.refused = check_byte(bytes, scanned);
        if (scan.refused) return scan;
        if (bytes[scanned] != '\n') continue;
        if (bytes[scanned - 2] == '\n') {  // the first line is not empty, so there are three bytes before
            scan.size = scanned + 1;
            return scan;
        }
        // Searching back costs the length of this line, so all lines together cost the length of the head.
        if (bytes.rfind('\n', scanned - 1) == std::string_view::npos) scan.request_line_lf = scanned;
    }
    return scan;
}

// RFC 9112 9.3.
bool keeps_alive(const HttpHead& head) {
    if (list_has(head, "connection", "close")) return false;
    return !head.http10 || list_has(head, "connection", "keep-alive");
}

HeadResult parse_complete(std::string_view bytes, const HeadLimits& limits) {
    HttpHead head;
    head.size = bytes.size();
    const size_t line = bytes.find("\r\n");
    if (const HeadFault refused = parse_request_line(bytes.substr(0, line), limits.passes_on, head))
        return *refused;
    const std::string_view block = bytes.substr(line + 2, bytes.size() - line - 4);
    if (const HeadFault refused = parse_fields(block, limits, head)) return *refused;
    if (const HeadFault refused = check_host(head)) return *refused;
    if (const HeadFault refused = check_framing(head)) return *refused;
    head.keep_alive = keeps_alive(head);
    return head;
}

// The bytes of the empty lines before the request line. They are ignored (RFC 9112 2.2), but not for ever.
size_t empty_lines(std::string_view bytes) {
    constexpr size_t most = 8 * 2;
    size_t size = 0;
    while (size < most && bytes.substr(size).starts_with("\r\n")) size += 2;
    return size;
}

HeadResult parse_more(std::string_view bytes, const HeadLimits& limits, size_t& scanned) {
    const std::string_view visible = bytes.substr(0, limits.bytes);
    if (visible == "\r") return NeedMore{};  // an empty line, perhaps
    const Scan scan = scan_new_bytes(visible, scanned);
    if (scan.size > 0) return parse_complete(visible.substr(0, scan.size), limits);
    if (scan.request_line_lf >
        0) {  // before what is wrong behind it: the answer must not depend on the split
        HttpHead ignored;
        const std::string_view line = visible.substr(0, scan.request_line_lf - 1);
        if (const HeadFault refused = parse_request_line(line, limits.passes_on, ignored)) return *refused;
    }
    if (scan.refused) return *scan.refused;
    if (bytes.size() >= limits.bytes) return HeadRefusal{431, "the request head is too large"};
    return NeedMore{};
}

}  // namespace

HeadResult parse_head(std::string_view bytes, const HeadLimits& limits, size_t& scanned) {
    const size_t before = empty_lines(bytes);
    HeadResult result = parse_more(bytes.substr(before), limits, scanned);
    if (auto* head = std::get_if<HttpHead>(&result)) head->size += before;
    if (!std::holds_alternative<NeedMore>(result)) scanned = 0;
    return result;
}

bool has_ambiguous_segment(std::string_view path) {
    std::string_view rest = path.substr(1);
    for (size_t slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
        const std::string_view segment = rest.substr(0, slash);
        if (segment.empty() || segment == "." || segment == "..") return true;
        rest.remove_prefix(slash + 1);
    }
    return rest == "." || rest == "..";
}

std::string_view HttpHead::field(std::string_view lower_name) const {
    for (const HttpField& field : fields)
        if (same_ignoring_case(field.name, lower_name)) return field.value;
    return {};
}

size_t HttpHead::count(std::string_view lower_name) const {
    size_t found = 0;
    for (const HttpField& field : fields) found += same_ignoring_case(field.name, lower_name) ? 1 : 0;
    return found;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    std::vector<std::string> found = query_values(query, name);
    return found.size() == 1 ? std::optional(std::move(found.front())) : std::nullopt;
}

std::vector<std::string> query_values(std::string_view query, std::string_view name) {
    std::vector<std::string> found;
    std::string_view pair;
    for (bool more = true; next_part(query, '&', more, pair);) {
        const size_t equals = std::min(pair.find('='), pair.size());
        const Decoded key = decode(pair.substr(0, equals), Part::query);
        Decoded value = decode(pair.substr(std::min(equals + 1, pair.size())), Part::query);
        if (!key.wrong.empty() || !value.wrong.empty()) return {};
        if (key.text == name && !pair.empty()) found.push_back(std::move(value.text));
    }
    return found;
}

namespace {

// What browsers keep and servers set: more than RFC 6265 4.1.1 lets them, blanks, commas and quotes of JSON.
bool is_in_cookies(char c) {
    return c >= 0x20 && c < 0x7f && c != ';';
}

// Whoever sets a cookie names it by a token (RFC 6265 4.1.1). Blanks around the name, and what passes for one
// in other languages' text, are ignored by some of those who read it: then it is the same cookie.
bool is_cookie(std::string_view pair, size_t equals, std::string_view name) {
    if (equals == std::string_view::npos) return false;
    std::string_view key = pair.substr(0, equals);
    while (!key.empty() && !is_token_char(key.front())) key.remove_prefix(1);
    while (!key.empty() && !is_token_char(key.back())) key.remove_suffix(1);
    return key == name;
}

bool is_cookie_octet(char c) {
    return is_in_cookies(c) && c != ' ' && c != '"' && c != ',' && c != '\\';
}

// The quotes are no part of such a value (RFC 6265 4.1.1).
bool is_quoted_plainly(std::string_view value) {
    return value.size() >= 2 && value.front() == '"' && value.back() == '"' &&
           std::all_of(value.begin() + 1, value.end() - 1, is_cookie_octet);
}

}  // namespace

std::optional<std::string_view> cookie_value(const HttpHead& head, std::string_view name) {
    std::optional<std::string_view> found;
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "cookie")) continue;
        std::string_view rest = field.value;
        std::string_view pair;
        for (bool more = true; next_part(rest, ';', more, pair);) {
            const size_t equals = pair.find('=');
            if (!is_cookie(pair, equals, name)) continue;
            std::string_view value = trim(pair.substr(equals + 1));
            if (is_quoted_plainly(value)) value = value.substr(1, value.size() - 2);
            if (found || !std::all_of(value.begin(), value.end(), is_in_cookies)) return {};
            found = value;
        }
    }
    return found;
}

size_t cookie_count(const HttpHead& head, std::string_view name) {
    size_t count = 0;
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "cookie")) continue;
        std::string_view rest = field.value;
        std::string_view pair;
        for (bool more = true; next_part(rest, ';', more, pair);) {
            if (is_cookie(pair, pair.find('='), name)) ++count;
        }
    }
    return count;
}

bool is_cookie_text(std::string_view text) {
    return trim(text) == text && !is_quoted_plainly(text) &&
           std::all_of(text.begin(), text.end(), is_in_cookies);
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
    const auto same = [](char x, char y) { return lower(x) == lower(y); };
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

std::string_view trim(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool next_part(std::string_view& rest, char separator, bool& has_more, std::string_view& part) {
    if (!has_more) return false;
    const size_t end = rest.find(separator);
    part = trim(rest.substr(0, end));
    has_more = end != std::string_view::npos;
    rest.remove_prefix(has_more ? end + 1 : rest.size());
    return true;
}

bool list_has(const HttpHead& head, std::string_view lower_name, std::string_view token) {
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, lower_name)) continue;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);)
            if (same_ignoring_case(part, token)) return true;
    }
    return false;
}

}  // namespace wayleave
