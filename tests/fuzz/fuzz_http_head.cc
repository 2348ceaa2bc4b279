// The request head, whole against split, and all that reads a parsed head.
#include <cstdint>
#include <cstdlib>

#include "daemon/protocol/handshake.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

bool same(const HeadResult& a, const HeadResult& b) {
    if (a.index() != b.index()) return false;
    if (const auto* head = std::get_if<HttpHead>(&a))
        return head->path == std::get<HttpHead>(b).path && head->size == std::get<HttpHead>(b).size;
    if (const auto* refusal = std::get_if<HeadRefusal>(&a))
        return refusal->reason == std::get<HeadRefusal>(b).reason;
    return true;
}

void use(const HttpHead& head) {
    check(head.path.front() == '/' && head.path.find('\0') == std::string::npos);
    check(head.path.find("//") == std::string::npos && (head.path + '/').find("/../") == std::string::npos);
    (void)query_value(head.query, "token");
    (void)cookie_value(head, "sid");
    const auto result = check_upgrade(head);
    if (const auto* upgrade = std::get_if<Upgrade>(&result)) check(accept_key(upgrade->key).size() == 28);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const HeadLimits limits{.bytes = 2048, .fields = 32};
    size_t scanned = 0;
    const HeadResult whole = parse_head(bytes, limits, scanned);
    size_t dripped = 0;
    HeadResult split = NeedMore{};
    for (size_t end = 0; end <= size && std::holds_alternative<NeedMore>(split); ++end)
        split = parse_head(bytes.substr(0, end), limits, dripped);
    check(same(whole, split));
    if (const auto* head = std::get_if<HttpHead>(&whole)) use(*head);
    (void)query_value(bytes, "token");
    return 0;
}
