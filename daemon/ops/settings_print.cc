#include <fmt/format.h>

#include <algorithm>

#include "daemon/ops/settings.h"
#include "daemon/ops/settings_table.h"
#include "daemon/ops/settings_value.h"

namespace wayleave {

namespace {

std::string origin_comment(const Settings& settings, size_t line) {
    return line == 0 ? "# default" : fmt::format("# {}:{}", settings.file, line);
}

std::string line_of(const Settings& settings, std::string_view key, const SettingOrigin& origin) {
    const std::string comment = origin_comment(settings, origin.line);
    if (origin.value.empty()) return fmt::format("# {} is unset   {}\n", key, comment);
    return fmt::format("{} = {}   {}\n", key, origin.value, comment);
}

bool differs(const SettingRow& row, const Settings& old, const Settings& now) {
    return std::visit(
        [&](auto member) {
            if constexpr (std::is_same_v<decltype(member), std::string ListenerSettings::*>) {
                return false;  // the list of listeners is compared as a whole
            } else {
                return old.*member != now.*member;
            }
        },
        row.member);
}

}  // namespace

bool Settings::admin_is_public() const {
    const auto address = parse_socket_address(admin_address);
    return address && !address->loopback;
}

// Dotted keys first: after the first [[listen]] a key would belong to that listener.
std::string print_settings(const Settings& settings) {
    std::string text;
    for (const auto& origin : settings.origins) {
        if (!origin.name.starts_with("listen[")) text += line_of(settings, origin.name, origin);
    }
    std::string_view listener;
    for (const auto& origin : settings.origins) {
        const std::string_view name = origin.name;
        if (!name.starts_with("listen[")) continue;
        const size_t dot = name.find('.');
        if (listener != name.substr(0, dot)) text += "\n[[listen]]\n";
        listener = name.substr(0, dot);
        text += line_of(settings, name.substr(dot + 1), origin);
    }
    return text;
}

std::vector<std::string> restart_needed(const Settings& old, const Settings& now) {
    std::vector<std::string> names;
    if (old.listeners != now.listeners) names.emplace_back("listen");
    for (const auto& row : setting_rows()) {
        if (!row.reloadable && differs(row, old, now)) names.emplace_back(row.name);
    }
    return names;
}

}  // namespace wayleave
