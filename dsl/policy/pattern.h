// Channel names and the segments of addresses: what they may be made of, and when a pattern matches one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dsl/policy/value.h"

namespace wayleave::dsl {

constexpr size_t max_channel_bytes = 255;
constexpr size_t max_channel_segments = 16;

// What a capture accepts. The order is that of look-up: where two accept the same text, the earlier is
// narrower.
enum class CaptureType : uint8_t { date, uuid, integer, hex, slug, any };

[[nodiscard]] std::optional<CaptureType> capture_type(std::string_view name);  // "int", "slug", …
[[nodiscard]] bool accepts(CaptureType type, std::string_view segment);
[[nodiscard]] Type value_type(CaptureType type);
[[nodiscard]] Value capture_value(CaptureType type, std::string_view segment);  // accepts() holds
[[nodiscard]] std::string_view example_of(CaptureType type);

// Whether one text can be of both types, and whether every text of `a` is one of `b`.
[[nodiscard]] bool overlap(CaptureType a, CaptureType b);
[[nodiscard]] bool within(CaptureType a, CaptureType b);

// A segment that a channel may have: letters, digits and ._-~@= and, not first, a colon. Not "." or "..".
[[nodiscard]] bool is_channel_segment(std::string_view segment);

// A value as a segment. What could stand there as it is, and has no `=`, does; every other byte, and `=`, is
// `=` and two hexadecimal digits in capitals, so that no two values share a segment. An empty value has none.
void append_segment(std::string& out, std::string_view value);
// Whether the segment is the value's.
[[nodiscard]] bool is_segment_of(std::string_view segment, std::string_view value);

// A channel's name, split. Views into the text that was split.
struct ChannelName {
    std::string_view text;
    std::array<std::string_view, max_channel_segments> segments;
    size_t count = 0;
};

// Nothing if the text is not a channel's name.
[[nodiscard]] std::optional<ChannelName> split_channel(std::string_view text);
// What to tell whoever wrote such a text where the name of a channel belongs.
[[nodiscard]] std::string no_channel(std::string_view text);

}  // namespace wayleave::dsl
