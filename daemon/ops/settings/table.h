// One row for each setting. Checks, defaults, `wayleave settings` and the manual's list come from it.
// Private to this folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/ops/settings/settings.h"

namespace wayleave {

enum class SettingType {
    integer,
    size,       // bytes: an integer, or a string such as "128kb"
    time,       // a string such as "10s"
    path,       // relative to the file's directory
    address,    // "127.0.0.1:8080", "[::1]:8080"
    url_path,   // of an address: "/wayleave.js"
    word,       // one of `words`
    boolean,    // true or false
    share,      // a number from 0 to 1
    nets,       // an array of strings such as "10.0.0.0/8"
    hosts,      // an array of strings such as "metrics.example.com"
    servers,    // an array of strings such as "redis.internal:26379"
    words,      // an array of strings out of `words`
    mode,       // of a file: "0660"
    group,      // of a file: a name or number
    text,       // any
    host_port,  // "redis.internal:6379", "[::1]:6379"
};

// The member a row is stored in; what it points to is the type of the value.
using SettingMember =
    std::variant<size_t Settings::*, bool Settings::*, double Settings::*,
                 std::chrono::milliseconds Settings::*, std::string Settings::*, Level Settings::*,
                 LogFormat Settings::*, std::vector<dsl::Net> Settings::*,
                 std::vector<std::string> Settings::*, std::string ListenerSettings::*,
                 bool ListenerSettings::*, std::vector<std::string> ListenerSettings::*>;

struct SettingRow {
    std::string_view name;  // "limits.drain"; "listen[].address" in an array of tables
    SettingType type = SettingType::integer;
    std::string_view unit;  // "bytes", "connections"; empty if there is none
    // Bounds: of the number, of the time in milliseconds, of the length of a path in bytes.
    size_t min = 0;
    size_t max = std::numeric_limits<size_t>::max();
    std::string_view
        default_text;  // as in the file, without quotes; empty: unset, or computed (see the sentence)
    std::span<const std::string_view> words;
    bool reloadable = false;  // else it takes effect at the next start
    std::string_view sentence;
    SettingMember member;
};

[[nodiscard]] std::span<const SettingRow> setting_rows();

[[nodiscard]] bool is_listener_row(const SettingRow& row);

}  // namespace wayleave
