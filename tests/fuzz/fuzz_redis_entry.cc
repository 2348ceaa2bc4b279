// Any bytes as an entry of a channel's list. What is read is a whole message.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/base/utf8.h"
#include "daemon/broker/redis/entry.h"

using namespace wayleave;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    (void)read_position(bytes);
    (void)read_number(bytes);
    const auto entry = read_entry(bytes, "room", 7);
    if (!entry) return 0;
    const Message& message = *entry->message;
    const bool numbered = message.position.epoch != 0;
    if (numbered != (message.position.offset != 0) || !is_utf8(message.frame.payload())) std::abort();
    return 0;
}
