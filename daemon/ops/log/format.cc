#include "daemon/ops/log/format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "daemon/base/escape.h"
#include "daemon/base/json_writer.h"

namespace wayleave {

namespace {

constexpr char separator = '\x1f';
constexpr size_t max_message_bytes = 4096;  // diagnostics of a policy may be long
constexpr size_t max_value_bytes = 1024;

std::string time_text(std::chrono::system_clock::time_point time) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const auto seconds = static_cast<std::time_t>(since / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, since % 1000);
}

// What a client wrote is no field of its own: no value holds a `=`, so that whoever looks for `user=alice`
// finds the field.
std::string as_value(std::string_view value) {
    const bool quoted = value.empty() || value.find_first_of(" \"") != std::string_view::npos;
    std::string text = quoted ? "\"" : "";
    for (const char c : value) {
        if (c == '"') text += '\\';
        text += c == '=' ? "\\x3D" : std::string(1, c);
    }
    return quoted ? text + '"' : text;
}

std::string fields_text(const LogLine& line) {
    std::string text;
    for (const auto& [key, value] : line.fields) text += fmt::format(" {}={}", key, as_value(value));
    return text;
}

std::string_view colour_of(Level level) {
    switch (level) {
        case Level::error: return "\x1b[31m";
        case Level::warn: return "\x1b[33m";
        case Level::info: return "\x1b[32m";
        default: return "\x1b[2m";
    }
}

int journal_priority(Level level) {
    switch (level) {
        case Level::error: return 3;
        case Level::warn: return 4;
        case Level::info: return 6;
        default: return 7;
    }
}

// journald takes A-Z, 0-9 and _ in names.
std::string journal_name(std::string_view key) {
    std::string name = "WAYLEAVE_";
    for (const char c : key) {
        if (c >= 'a' && c <= 'z') {
            name += static_cast<char>(c - 'a' + 'A');
        } else {
            name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
        }
    }
    return name.substr(0, 64);
}

}  // namespace

std::string_view to_string(Level level) {
    switch (level) {
        case Level::trace: return "trace";
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warn: return "warn";
        case Level::error: return "error";
    }
    return "info";
}

std::string pack_line(std::string_view event, std::string_view message, std::span<const LogField> fields,
                      uint64_t suppressed) {
    std::string packed = escape_peer_text(event);
    packed += separator;
    packed += escape_peer_text(message, max_message_bytes);
    const auto add = [&](std::string_view key, std::string_view value) {
        packed += separator;
        packed += escape_peer_text(key);
        packed += separator;
        packed += escape_peer_text(value, max_value_bytes);
    };
    for (const auto& field : fields) add(field.key, field.value);
    if (suppressed > 0) add("suppressed", std::to_string(suppressed));
    return packed;
}

LogLine unpack_line(std::string_view packed) {
    const auto next = [&] {
        const size_t end = packed.find(separator);
        std::string part(packed.substr(0, end));
        packed = end == std::string_view::npos ? std::string_view() : packed.substr(end + 1);
        return part;
    };
    LogLine line;
    line.event = next();
    line.message = next();
    while (!packed.empty()) {
        std::string key = next();
        line.fields.emplace_back(std::move(key), next());
    }
    return line;
}

std::string format_text(const LogLine& line, bool colour) {
    std::string text =
        fmt::format("{} {}{:<5}{} {}", time_text(line.time), colour ? colour_of(line.level) : "",
                    to_string(line.level), colour ? "\x1b[0m" : "", line.message);
    return text + " event=" + line.event + fields_text(line);
}

std::string format_json(const LogLine& line) {
    JsonObject fields;
    for (const auto& [key, value] : line.fields) fields.add(key, value);
    JsonObject out;
    out.add("time", time_text(line.time)).add("level", to_string(line.level)).add("event", line.event);
    return out.add("msg", line.message).add("fields", fields).text();
}

std::vector<std::string> format_journal(const LogLine& line) {
    std::vector<std::string> entries = {
        "MESSAGE=" + line.message + fields_text(line),  // `journalctl` shows nothing else
        fmt::format("PRIORITY={}", journal_priority(line.level)),
        "SYSLOG_IDENTIFIER=wayleave",
        "WAYLEAVE_EVENT=" + line.event,
    };
    for (const auto& [key, value] : line.fields) entries.push_back(journal_name(key) + "=" + value);
    return entries;
}

}  // namespace wayleave
