// How a log line looks: pure functions, used by the writer thread. Private to this folder.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ops/log/log.h"

namespace wayleave {

struct LogLine {
    std::chrono::system_clock::time_point time;
    Level level = Level::info;
    std::string event;
    std::string message;
    std::vector<std::pair<std::string, std::string>> fields;
};

[[nodiscard]] std::string_view to_string(Level level);

// A line on its way through spdlog, which carries one string: event, message and fields, all escaped, so that
// the separator (a control byte) cannot occur in them.
[[nodiscard]] std::string pack_line(std::string_view event, std::string_view message,
                                    std::span<const LogField> fields, uint64_t suppressed);
[[nodiscard]] LogLine unpack_line(std::string_view packed);

// Without a newline at the end.
[[nodiscard]] std::string format_text(const LogLine& line, bool colour);
[[nodiscard]] std::string format_json(const LogLine& line);
// "NAME=value" entries for sd_journal_sendv.
[[nodiscard]] std::vector<std::string> format_journal(const LogLine& line);

}  // namespace wayleave
