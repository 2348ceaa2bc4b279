#include "daemon/ops/log/event_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/json_writer.h"

namespace wayleave {

std::string_view EventRecord::field(std::string_view key) const {
    const auto found =
        std::find_if(fields.begin(), fields.end(), [&](const auto& one) { return one.first == key; });
    return found == fields.end() ? std::string_view() : found->second;
}

size_t EventRecord::bytes() const {
    constexpr size_t of_a_text = 32;
    size_t out = sizeof *this + event.size() + message.size();
    for (const auto& [key, value] : fields) out += key.size() + value.size() + 2 * of_a_text;
    return out;
}

std::string time_text_of(int64_t wall_ms) {
    const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, wall_ms % 1000);
}

std::string json_of(const EventRecord& record) {
    JsonObject out;
    out.add("time", time_text_of(record.wall_ms));
    out.add("event", record.event).add("message", record.message);
    for (const auto& [key, value] : record.fields) out.add(key, value);
    return out.text();
}

}  // namespace wayleave
