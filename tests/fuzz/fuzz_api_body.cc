// Any bytes as the body of a publication: what is accepted is a list of objects that name channels. The first
// byte says how the body came: bit 0 by lines, bit 1 with gzip.
#include <cstdint>
#include <cstdlib>

#include <algorithm>

#include "daemon/message/api_body.h"
#include "daemon/protocol/gzip.h"
#include "tests/support/rfc8259.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

void use(MessageParser& parser, const std::string& item) {
    const std::string text = as_message(item);
    const auto message = parser.parse(text);
    if (!message.ok()) return;
    check(item.starts_with('{') && test::Rfc8259::holds(item) && test::Rfc8259::holds(text));
    check((*message)->type == "$request");
    const auto channels = channels_of(**message);
    if (!channels.ok()) return check(!channels.error().because.empty());
    check(!channels->empty() && channels->size() <= ApiBody::most_items);
    check(std::all_of(channels->begin(), channels->end(),
                      [](const std::string& name) { return dsl::split_channel(name).has_value(); }));
    for (const std::string& channel : *channels) (void)parse_publication(**message, channel);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static MessageParser parser;
    constexpr size_t most = 1 << 16;
    if (size == 0) return 0;
    std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] & 2) {
        Gunzipped out = gunzip(body, most);
        check(out.text.size() <= most && (!out.error || out.text.empty()));
        body = std::move(out.text);
    }
    const bool lines = data[0] & 1;
    const auto split = split_body(body, lines);
    if (!split.ok()) {
        check(!split.error().because.empty());
        return 0;
    }
    check(!split->items.empty() && split->items.size() <= ApiBody::most_items);
    check(split->list || split->items.size() == 1);
    for (const std::string& item : split->items) use(parser, item);
    return 0;
}
