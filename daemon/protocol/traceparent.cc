#include "daemon/protocol/traceparent.h"

#include "dsl/text/text.h"

namespace wayleave {
namespace {

// Lower case alone (3.2.2).
std::optional<uint64_t> hex(std::string_view text) {
    uint64_t out = 0;
    for (const char c : text) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
        out = out << 4U | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return out;
}

}  // namespace

// VERSION-TRACE-PARENT-FLAGS. A later version may have more behind another hyphen; of 00 that is all.
std::optional<Trace> parse_traceparent(std::string_view value) {
    constexpr size_t size = 55;
    if (value.size() < size || value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
    const auto version = hex(value.substr(0, 2));
    const auto high = hex(value.substr(3, 16));
    const auto low = hex(value.substr(19, 16));
    const auto parent = hex(value.substr(36, 16));
    const auto flags = hex(value.substr(53, 2));
    if (!version || !high || !low || !parent || !flags || *version == 0xff) return std::nullopt;
    if (value.size() > size && (*version == 0 || value[size] != '-')) return std::nullopt;
    if ((*high | *low) == 0 || *parent == 0) return std::nullopt;
    return Trace{*high, *low, (*flags & 1U) != 0};
}

std::string traceparent(const Trace* trace, std::mt19937_64& random) {
    const Trace of = trace ? *trace : Trace{random(), random() | 1U};  // an id of zeros is none
    return "00-" + dsl::hex_text(of.high) + dsl::hex_text(of.low) + "-" + dsl::hex_text(random() | 1U) +
           (of.sampled ? "-01" : "-00");
}

}  // namespace wayleave
