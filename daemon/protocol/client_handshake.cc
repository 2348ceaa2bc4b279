#include "daemon/protocol/client_handshake.h"

#include <openssl/evp.h>

#include <charconv>

#include "daemon/protocol/handshake.h"

namespace wayleave {
namespace {

bool lists(std::string_view value, std::string_view token) {
    std::string_view part;
    for (bool more = true; next_part(value, ',', more, part);)
        if (same_ignoring_case(part, token)) return true;
    return false;
}

// Nothing: it is one. RFC 6455 4.1, the server's response.
std::string_view why_no_upgrade(const ResponseHead& head, std::string_view key) {
    if (!same_ignoring_case(head.field("upgrade"), "websocket")) return "101 without Upgrade: websocket";
    if (!lists(head.field("connection"), "upgrade")) return "101 without Connection: Upgrade";
    if (head.count("sec-websocket-accept") != 1 || head.field("sec-websocket-accept") != accept_key(key))
        return "101 with another Sec-WebSocket-Accept than that of the key";
    if (head.count("sec-websocket-extensions") > 0) return "101 with an extension that was not offered";
    if (head.count("sec-websocket-protocol") > 0) return "101 with a subprotocol that was not offered";
    return {};
}

std::optional<int64_t> seconds_in(std::string_view text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

}  // namespace

std::string websocket_key(const std::array<uint8_t, 16>& random) {
    std::array<unsigned char, 25> text{};
    EVP_EncodeBlock(text.data(), random.data(), static_cast<int>(random.size()));
    return {reinterpret_cast<const char*>(text.data()), 24};
}

std::string upgrade_request(std::string_view path, std::string_view host, std::string_view key,
                            std::string_view headers) {
    std::string out = "GET ";
    out.append(path).append(" HTTP/1.1\r\nHost: ").append(host);
    out.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    out.append("Sec-WebSocket-Key: ").append(key).append("\r\n");
    return out.append(headers).append("\r\n");
}

std::variant<NeedMore, UpgradeAccepted, UpgradeRefused> read_upgrade_answer(std::string_view bytes,
                                                                            std::string_view key) {
    const ResponseResult parsed = parse_response_head(bytes, {.bytes = 16'384});
    if (std::holds_alternative<NeedMore>(parsed)) return NeedMore{};
    if (const auto* refused = std::get_if<ResponseRefusal>(&parsed))
        return UpgradeRefused{0, std::nullopt, refused->reason};
    const auto& head = std::get<ResponseHead>(parsed);
    if (head.status != 101)
        return UpgradeRefused{head.status, seconds_in(head.field("retry-after")), "it answers no upgrade"};
    if (const std::string_view why = why_no_upgrade(head, key); !why.empty())
        return UpgradeRefused{0, std::nullopt, why};
    return UpgradeAccepted{head.size};
}

}  // namespace wayleave
