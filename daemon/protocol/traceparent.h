// The header of W3C Trace Context: a trace that a client has begun goes on with what is asked of backends for
// it, and what nobody has begun begins here.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace wayleave {

struct Trace {
    uint64_t high = 0;  // of its id
    uint64_t low = 0;
    bool sampled = true;

    friend bool operator==(const Trace&, const Trace&) = default;
};

// Nothing: the value is none that the recommendation knows, and is as good as absent.
[[nodiscard]] std::optional<Trace> parse_traceparent(std::string_view value);

// The value for one request, of which we are the parent; a new trace if it is null.
[[nodiscard]] std::string traceparent(const Trace* trace, std::mt19937_64& random);

}  // namespace wayleave
