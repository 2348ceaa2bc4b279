#include <fmt/format.h>

#include <algorithm>

#include "daemon/ops/settings/settings.h"
#include "daemon/ops/settings/table.h"
#include "daemon/ops/settings/value.h"

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
            using Member = decltype(member);
            if constexpr (std::is_same_v<Member, std::string ListenerSettings::*> ||
                          std::is_same_v<Member, bool ListenerSettings::*> ||
                          std::is_same_v<Member, std::vector<std::string> ListenerSettings::*>) {
                return false;  // see same_sockets()
            } else {
                return old.*member != now.*member;
            }
        },
        row.member);
}

// What a reload cannot change: how a socket is bound that stays. Others are opened and closed.
bool same_sockets(const std::vector<ListenerSettings>& old, const std::vector<ListenerSettings>& now) {
    return std::all_of(now.begin(), now.end(), [&](const auto& b) {
        return std::all_of(old.begin(), old.end(), [&](const auto& a) {
            const bool same = a.address == b.address && a.name == b.name;
            return !same || (a.mode == b.mode && a.group == b.group && a.ipv6only == b.ipv6only);
        });
    });
}

// Several certificates are one line: TOML does not let an array and dotted keys name the same table.
std::string certificates_line(const Settings& settings, const ListenerSettings& listener, size_t line) {
    std::string list = fmt::format("{{ certificate = {}, key = {} }}", toml_string(listener.certificate),
                                   toml_string(listener.key));
    for (const TlsFiles& files : listener.more_certificates) {
        list += fmt::format(", {{ certificate = {}, key = {} }}", toml_string(files.certificate),
                            toml_string(files.key));
    }
    return fmt::format("tls = [{}]   {}\n", list, origin_comment(settings, line));
}

}  // namespace

// Dotted keys first: after the first [[listen]] a key would belong to that listener.
std::string print_settings(const Settings& settings) {
    std::string text;
    for (const auto& origin : settings.origins) {
        if (!origin.name.starts_with("listen[")) text += line_of(settings, origin.name, origin);
    }
    std::string_view listener;
    size_t number = SIZE_MAX;  // of the listener, once its table is open
    for (const auto& origin : settings.origins) {
        const std::string_view name = origin.name;
        if (!name.starts_with("listen[")) continue;
        const size_t dot = name.find('.');
        if (listener != name.substr(0, dot)) {
            text += "\n[[listen]]\n";
            ++number;
        }
        listener = name.substr(0, dot);
        const ListenerSettings& own = settings.listeners[number];
        const bool several = !own.more_certificates.empty();
        if (several && name.ends_with(".tls.certificate"))
            text += certificates_line(settings, own, origin.line);
        if (several && name.substr(dot).starts_with(".tls.")) continue;
        text += line_of(settings, name.substr(dot + 1), origin);
    }
    return text;
}

std::vector<std::string> restart_needed(const Settings& old, const Settings& now) {
    std::vector<std::string> names;
    if (!same_sockets(old.listeners, now.listeners)) names.emplace_back("listen");
    for (const auto& row : setting_rows()) {
        if (!row.reloadable && differs(row, old, now)) names.emplace_back(row.name);
    }
    return names;
}

}  // namespace wayleave
