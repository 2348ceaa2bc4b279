#include "daemon/protocol/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

namespace wayleave {
namespace {

using Refused = std::optional<HandshakeRefusal>;  // nothing: all is well

constexpr size_t kMaxProtocols = 16;  // also bounds the search for duplicates, so the whole stays linear

HandshakeRefusal bad(std::string_view reason) {
    return {.status = 400, .reason = reason};
}

Refused check_wish(const HttpHead& head) {
    // Whoever offers another protocol is answered in HTTP/1.1 (RFC 9110 7.8): `h2c`, as some libraries add it
    // to every request. Of HTTP/1.0 the field is ignored.
    const bool wanted = !head.http10 && list_has(head, "upgrade", "websocket");
    if (head.method != "GET")
        return HandshakeRefusal{
            .status = 405, .reason = "the method must be GET, in capitals", .not_upgrade = !wanted};
    if (!wanted)
        return HandshakeRefusal{
            .status = 426,
            .reason = "this is a WebSocket endpoint; a proxy in front must pass Upgrade and Connection on",
            .not_upgrade = true};
    if (!list_has(head, "connection", "upgrade"))
        return bad("the Connection field does not say Upgrade; a proxy in front must pass it on");
    if (head.chunked)
        return HandshakeRefusal{.status = 501, .reason = "an upgrade request cannot have a body"};
    if (head.content_length.value_or(0) > 0)
        return bad("an upgrade request cannot have a body; leave out Content-Length");
    return {};
}

Refused check_version(const HttpHead& head) {
    if (head.count("sec-websocket-version") == 1 && head.field("sec-websocket-version") == "13") return {};
    return HandshakeRefusal{
        .status = 426, .reason = "Sec-WebSocket-Version must be there once and be 13", .version_hint = true};
}

bool is_base64(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// 16 bytes are 22 characters and "==". The 22nd carries two bits: the other four must be zero, or two
// spellings would stand for the same key.
bool is_canonical_key(std::string_view key) {
    if (key.size() != 24 || key.substr(22) != "==") return false;
    const std::string_view digits = key.substr(0, 22);
    return std::all_of(digits.begin(), digits.end(), is_base64) &&
           std::string_view("AQgw").find(digits.back()) != std::string_view::npos;
}

Refused collect_protocols(const HttpHead& head, std::vector<std::string_view>& protocols) {
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "sec-websocket-protocol")) continue;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);) {
            if (!is_token(part)) return bad("a subprotocol that is empty or not a token");
            if (protocols.size() == kMaxProtocols) return bad("more than 16 subprotocols");
            if (std::find(protocols.begin(), protocols.end(), part) != protocols.end())
                return bad("a subprotocol that is offered twice");
            protocols.push_back(part);
        }
    }
    return {};
}

struct DigestEnd {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// To look for it by its name, and to make room for it, takes longer than to compute it.
bool sha1(std::string_view text, std::span<unsigned char, 20> digest) {
    static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA1", nullptr);
    thread_local const std::unique_ptr<EVP_MD_CTX, DigestEnd> context(EVP_MD_CTX_new());
    return found != nullptr && context && EVP_DigestInit_ex2(context.get(), found, nullptr) == 1 &&
           EVP_DigestUpdate(context.get(), text.data(), text.size()) == 1 &&
           EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
}

}  // namespace

std::string_view reason_phrase(int status) {
    switch (status) {
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "";  // RFC 9112 4: the phrase may be empty, the space before it may not be left out
    }
}

std::variant<Upgrade, HandshakeRefusal> check_upgrade(const HttpHead& head) {
    if (const Refused refused = check_wish(head)) return *refused;
    if (const Refused refused = check_version(head)) return *refused;
    Upgrade upgrade;
    upgrade.key = head.field("sec-websocket-key");
    if (head.count("sec-websocket-key") != 1 || !is_canonical_key(upgrade.key))
        return bad("Sec-WebSocket-Key must be there once and be the base64 of 16 bytes");
    const size_t origins = head.count("origin");
    if (origins > 1) return bad("more than one Origin field");
    upgrade.has_origin = origins == 1;
    upgrade.origin = head.field("origin");
    if (const Refused refused = collect_protocols(head, upgrade.protocols)) return *refused;
    const ExtensionOffers offers = read_extension_offers(head);
    if (!offers.well_formed) return bad("Sec-WebSocket-Extensions is no list of extensions");
    upgrade.deflate = offers.terms;
    return upgrade;
}

std::string accept_key(std::string_view key) {
    std::string text(key);
    text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
    std::array<unsigned char, 20> digest{};
    if (!sha1(text, digest))
        throw std::runtime_error("OpenSSL offers no SHA-1, without which no WebSocket can be accepted");
    std::array<unsigned char, 29> encoded{};  // 28 characters and the NUL that EVP_EncodeBlock writes
    const int length = EVP_EncodeBlock(encoded.data(), digest.data(), 20);
    return {encoded.begin(), encoded.begin() + length};
}

std::string switching_protocols(std::string_view accept, std::string_view protocol,
                                std::string_view extensions) {
    std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    out.append("Sec-WebSocket-Accept: ").append(accept).append("\r\n");
    if (!protocol.empty()) out.append("Sec-WebSocket-Protocol: ").append(protocol).append("\r\n");
    if (!extensions.empty()) out.append("Sec-WebSocket-Extensions: ").append(extensions).append("\r\n");
    return out.append("\r\n");
}

std::string http_response_head(int status, std::string_view content_type, size_t length,
                               std::string_view extra_headers, bool keep_alive,
                               std::string_view cache_control) {
    const bool has_body = status != 204 && status != 304;  // RFC 9110 8.6: not even a Content-Length
    std::string out;
    out.reserve(256 + extra_headers.size());
    out.append("HTTP/1.1 ")
        .append(std::to_string(status))
        .append(" ")
        .append(reason_phrase(status))
        .append("\r\n");
    if (has_body && !content_type.empty()) out.append("Content-Type: ").append(content_type).append("\r\n");
    if (has_body) out.append("Content-Length: ").append(std::to_string(length)).append("\r\n");
    if (status == 426) out.append("Upgrade: websocket\r\n");
    out.append("Connection: ")
        .append(status == 426 ? "upgrade, " : "")
        .append(keep_alive ? "keep-alive" : "close");
    out.append("\r\nCache-Control: ").append(cache_control).append("\r\n");
    out.append(extra_headers).append("\r\n");
    return out;
}

std::string http_response(int status, std::string_view content_type, std::string_view body,
                          std::string_view extra_headers, bool keep_alive) {
    std::string out = http_response_head(status, content_type, body.size(), extra_headers, keep_alive);
    if (status != 204 && status != 304) out.append(body);
    return out;
}

}  // namespace wayleave
