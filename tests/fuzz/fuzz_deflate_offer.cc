// The negotiation of extensions: what is accepted can be answered.
#include <cstdint>
#include <cstdlib>

#include "daemon/protocol/deflate_offer.h"

using namespace wayleave;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    HttpHead head;
    head.fields.push_back({"Sec-WebSocket-Extensions", {reinterpret_cast<const char*>(data), size}});
    const ExtensionOffers offers = read_extension_offers(head);
    if (!offers.terms) return 0;
    if (!offers.well_formed || offers.terms->window_bits < 8 || offers.terms->window_bits > 15) std::abort();
    const std::string answer = deflate_answer(*offers.terms);
    HttpHead back;
    back.fields.push_back({"sec-websocket-extensions", answer});
    const ExtensionOffers same = read_extension_offers(back);
    if (!same.terms || deflate_answer(*same.terms) != answer) std::abort();
    return 0;
}
