// Any bytes as what nodes say of themselves, as a ban, and as what a Sentinel answers. What is read can be
// shown, and is written as what is read again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/base/escape.h"
#include "daemon/broker/redis/node_report.h"
#include "daemon/broker/redis/sentinels.h"
#include "daemon/decision/ban_text.h"

using namespace wayleave;

namespace {

void check(bool good) {
    if (!good) std::abort();
}

void read_report(std::string_view bytes) {
    const auto report = read_node_report(bytes);
    if (!report) return;
    const std::string text = write_node_report(*report);
    const auto again = read_node_report(text);
    check(again && write_node_report(*again) == text);
}

void read_a_ban(std::string_view bytes) {
    const auto news = read_ban(bytes);
    if (!news) return;
    for (const std::string* text : {&news->ban.who, &news->ban.route, &news->ban.place, &news->ban.because}) {
        for (const char c : *text) check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    const auto again = read_ban(write_ban(*news));
    check(again && again->ban.id == news->ban.id && again->ban.networks == news->ban.networks);
}

void read_answer(std::string_view bytes) {
    RedisReplyReader reader;
    if (!reader.feed(bytes)) return;
    for (int i = 0; i < 4; ++i) {
        auto reply = reader.next();
        if (!reply || !*reply) return;
        (void)read_config_epoch(**reply);
        const auto primary = read_primary(**reply);
        check(!primary || (primary->port != 0 && escape_peer_text(primary->host) == primary->host));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check(is_node_text(bytes) ==
          (bytes.size() == 12 && bytes.find_first_not_of("0123456789abcdef") == bytes.npos));
    read_report(bytes);
    read_a_ban(bytes);
    read_answer(bytes);
    return 0;
}
