// An event as it is kept for who asks later, or watches: with what is secret hashed. A value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wayleave {

struct EventRecord {
    int64_t wall_ms = 0;
    std::string event;  // of its kind
    std::string message;
    std::vector<std::pair<std::string, std::string>> fields;  // their values are not escaped

    [[nodiscard]] std::string_view field(std::string_view key) const;  // empty: there is none
    [[nodiscard]] size_t bytes() const;                                // about what it takes
};

// "2026-11-29T12:03:00.123Z"
[[nodiscard]] std::string time_text_of(int64_t wall_ms);

// {"time":"2026-11-29T12:03:00.123Z","event":…,"message":…, and the fields}
[[nodiscard]] std::string json_of(const EventRecord& record);

}  // namespace wayleave
