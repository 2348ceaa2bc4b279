// The header of W3C Trace Context for a request that begins a trace.
#pragma once

#include <random>
#include <string>

#include "dsl/text/text.h"

namespace wayleave {

// This request is the first of its trace that we know of.
[[nodiscard]] inline std::string new_traceparent(std::mt19937_64& random) {
    const uint64_t span = random() | 1U;  // a span of zeros is none
    return "00-" + dsl::hex_text(random()) + dsl::hex_text(random() | 1U) + "-" + dsl::hex_text(span) + "-01";
}

}  // namespace wayleave
