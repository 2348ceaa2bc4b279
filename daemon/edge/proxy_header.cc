#include "daemon/edge/proxy_header.h"

#include <algorithm>
#include <cstring>

namespace wayleave {
namespace {

constexpr std::string_view signature_2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view signature_1 = "PROXY ";
constexpr size_t longest_1 = 107;  // with CRLF
constexpr size_t head_2 = 16;

uint16_t number_at(std::string_view bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8U |
                                 static_cast<unsigned char>(bytes[at + 1]));
}

std::string_view next_word(std::string_view& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(std::min(line.size(), space + 1));
    return word;
}

bool is_port(std::string_view text) {
    const bool digits = !text.empty() && text.size() <= 5 &&
                        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (text.size() > 1 && text[0] == '0')) return false;
    int port = 0;
    for (const char c : text) port = port * 10 + (c - '0');
    return port <= 65535;
}

bool is_family(std::string_view address, bool v4) {
    return (address.find(':') == std::string_view::npos) == v4;
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
ProxyResult parse_1(std::string_view bytes) {
    const size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) {
        if (bytes.size() >= longest_1) return ProxyRefusal{"the first line is too long"};
        return ProxyNeedMore{};
    }
    if (end + 2 > longest_1) return ProxyRefusal{"the first line is too long"};
    ProxyHeader header;
    header.size = end + 2;
    std::string_view line = bytes.substr(signature_1.size(), end - signature_1.size());
    const std::string_view family = next_word(line);
    if (family == "UNKNOWN") {
        header.source.emplace();
        return header;
    }
    const std::string_view from = next_word(line);
    const std::string_view to = next_word(line);
    const auto source = dsl::parse_address(from);
    const auto target = dsl::parse_address(to);
    const bool ports = is_port(next_word(line)) && is_port(line);
    const bool v4 = family == "TCP4";
    if ((!v4 && family != "TCP6") || !source || !target || !ports || !is_family(from, v4) ||
        !is_family(to, v4))
        return ProxyRefusal{"the first line is no PROXY header"};
    header.source = source;
    return header;
}

std::optional<dsl::Address> address_2(std::string_view block, unsigned family) {
    dsl::Address address;
    if (family == 1 && block.size() >= 12) {
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(address.bytes.data() + 12, block.data(), 4);
        return address;
    }
    if (family == 2 && block.size() >= 36) {
        std::memcpy(address.bytes.data(), block.data(), 16);
        return address;
    }
    return std::nullopt;
}

// Type-length-value triples behind the addresses. Only PP2_TYPE_SSL says what we ask. Nothing: malformed.
std::optional<bool> tls_of(std::string_view extensions) {
    constexpr unsigned char type_ssl = 0x20;
    constexpr unsigned char client_ssl = 0x01;
    bool tls = false;
    while (!extensions.empty()) {
        if (extensions.size() < 3) return std::nullopt;
        const size_t size = number_at(extensions, 1);
        if (extensions.size() < 3 + size) return std::nullopt;
        if (static_cast<unsigned char>(extensions[0]) == type_ssl) {
            if (size < 5) return std::nullopt;
            tls = (static_cast<unsigned char>(extensions[3]) & client_ssl) != 0;
        }
        extensions.remove_prefix(3 + size);
    }
    return tls;
}

ProxyResult parse_2(std::string_view bytes) {
    if (bytes.size() < head_2) return ProxyNeedMore{};
    const unsigned version = static_cast<unsigned char>(bytes[12]) >> 4U;
    const unsigned command = static_cast<unsigned char>(bytes[12]) & 15U;
    const unsigned family = static_cast<unsigned char>(bytes[13]) >> 4U;
    const unsigned protocol = static_cast<unsigned char>(bytes[13]) & 15U;
    if (version != 2 || command > 1 || family > 3 || protocol > 2)
        return ProxyRefusal{"the PROXY header is of an unknown kind"};
    ProxyHeader header;
    const size_t length = number_at(bytes, 14);
    header.size = head_2 + length;
    if (header.size > max_proxy_header) return ProxyRefusal{"the PROXY header is too long"};
    if (bytes.size() < header.size) return ProxyNeedMore{};
    if (command == 0) return header;  // LOCAL: a health check of the proxy's own
    const std::string_view block = bytes.substr(head_2, length);
    header.source = address_2(block, family);
    if (!header.source || protocol != 1) return ProxyRefusal{"the PROXY header names no TCP client"};
    const auto tls = tls_of(block.substr(family == 1 ? 12 : 36));
    if (!tls) return ProxyRefusal{"an extension of the PROXY header is malformed"};
    header.tls = *tls;
    return header;
}

bool may_become(std::string_view bytes, std::string_view signature) {
    const size_t size = std::min(bytes.size(), signature.size());
    return bytes.substr(0, size) == signature.substr(0, size);
}

}  // namespace

ProxyResult parse_proxy_header(std::string_view bytes) {
    if (may_become(bytes, signature_2))
        return bytes.size() < signature_2.size() ? ProxyResult(ProxyNeedMore{}) : parse_2(bytes);
    if (may_become(bytes, signature_1))
        return bytes.size() < signature_1.size() ? ProxyResult(ProxyNeedMore{}) : parse_1(bytes);
    return ProxyRefusal{"the connection does not begin with a PROXY header"};
}

}  // namespace wayleave
