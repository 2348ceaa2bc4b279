// A request's body, whole against split, and the id of an event, whose text is the client's.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "daemon/message/sse.h"
#include "daemon/protocol/http_body.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

void read_split(BodyReader whole, std::string_view bytes, size_t most) {
    BodyReader dripped = whole;
    std::string_view rest = bytes;
    const auto state = whole.read(rest);
    auto dripped_state = BodyReader::State::reading;
    size_t taken = 0;
    for (; taken < bytes.size() && dripped_state == BodyReader::State::reading; ++taken) {
        std::string_view one = bytes.substr(taken, 1);
        dripped_state = dripped.read(one);
        if (!one.empty()) break;
    }
    if (bytes.empty()) return;
    check(state == dripped_state && whole.body() == dripped.body() && whole.status() == dripped.status());
    check(whole.body().size() <= most);
    if (state == BodyReader::State::complete) check(rest.size() == bytes.size() - taken);
    if (state == BodyReader::State::refused) check(whole.status() >= 400 && !whole.reason().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    constexpr size_t most = 256;
    read_split(BodyReader(std::nullopt, most), bytes, most);
    if (size > 0) read_split(BodyReader(data[0], most), bytes, most);
    const std::string event = sse_event(bytes);
    check(event.ends_with("\n\n") && event.find("\n\n") == event.size() - 2);
    check(event.find('\r') == std::string::npos);
    // One text for the same positions.
    if (const auto positions = StreamPositions::parse(bytes)) check(positions->id() == bytes);
    return 0;
}
