// Who is behind a proxy: the PROXY header, whole against cut short, and the two header fields.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/edge/proxy_header.h"
#include "daemon/protocol/forwarded.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

// A header that is complete says "more" for all that is shorter, and is not refused on the way.
void proxy_header(std::string_view bytes) {
    const auto whole = parse_proxy_header(bytes);
    const auto* header = std::get_if<ProxyHeader>(&whole);
    if (!header) return;
    check(header->size <= bytes.size() && header->size <= max_proxy_header);
    for (size_t size = 0; size < header->size; ++size)
        check(std::holds_alternative<ProxyNeedMore>(parse_proxy_header(bytes.substr(0, size))));
}

// Whatever stands in the header, nobody becomes a trusted proxy's neighbour: the answer is the peer, or an
// address that stands in the text. And who is not trusted changes nothing.
void forwarded(std::string_view value) {
    HttpHead head;
    head.fields.push_back({"x-forwarded-for", value});
    head.fields.push_back({"forwarded", value});
    const Origination proxy{*dsl::parse_address("10.0.0.1"), false};
    const Origination stranger{*dsl::parse_address("192.0.2.1"), true};
    for (const auto kind : {ForwardedHeader::x_forwarded_for, ForwardedHeader::forwarded}) {
        const ProxyTrust trust{{*dsl::parse_net("10.0.0.0/8")}, kind};
        (void)client_behind(proxy, head, trust);
        const Origination same = client_behind(stranger, head, trust);
        check(same.ip == stranger.ip && same.tls);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    proxy_header(bytes);
    forwarded(bytes);
    return 0;
}
