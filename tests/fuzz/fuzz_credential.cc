// Any bytes as the token of an `$auth`, for each place where a block may look. What is taken stands in one
// field of a request to a backend, and reads there as it was sent.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/decision/credential.h"
#include "daemon/protocol/http_head.h"

using namespace wayleave;

namespace {

using From = dsl::SourceKind;

void check(bool holds) {
    if (!holds) std::abort();
}

void check_field(const dsl::TokenSource& source, const std::string& text) {
    const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n" + header_of(source, text) + "\r\n\r\n";
    size_t scanned = 0;
    HeadLimits limits;
    limits.bytes = head.size() + 1;
    const auto parsed = parse_head(head, limits, scanned);
    check(std::holds_alternative<HttpHead>(parsed));
    const auto& read = std::get<HttpHead>(parsed);
    check(read.size == head.size() && read.fields.size() == 2);
    if (source.kind == From::cookie) check(cookie_value(read, source.name) == text);
    if (source.name == "authorization") check(read.field(source.name) == "Bearer " + text);
    if (source.name == "x-token") check(read.field(source.name) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::array<dsl::TokenSource, 5> sources{{{From::header, "authorization"},
                                                          {From::header, "x-token"},
                                                          {From::cookie, "sid"},
                                                          {From::query, "token"},
                                                          {From::subprotocol, "bearer"}}};
    const std::string text(reinterpret_cast<const char*>(data), size);
    check(!can_carry({From::certificate, ""}, text));
    for (const dsl::TokenSource& source : sources) {
        const bool shown = can_carry(source, text);
        check(!shown || !text.empty());
        if (shown && (source.kind == From::header || source.kind == From::cookie)) check_field(source, text);
    }
    return 0;
}
