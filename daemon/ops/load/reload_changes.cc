#include "daemon/ops/load/reload_changes.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace wayleave {
namespace {

using Lines = std::vector<std::string>;

void compare_settings(const std::vector<SettingOrigin>& before, const std::vector<SettingOrigin>& after,
                      Lines& out) {
    std::map<std::string, std::pair<std::string, std::string>> values;
    for (const SettingOrigin& origin : before) values[origin.name].first = origin.value;
    for (const SettingOrigin& origin : after) values[origin.name].second = origin.value;
    const auto shown = [](const std::string& value) { return value.empty() ? "unset" : value; };
    for (const auto& [name, value] : values) {
        if (value.first != value.second)
            out.push_back(fmt::format("{}: {} -> {}", name, shown(value.first), shown(value.second)));
    }
}

using Keys = std::map<uint64_t, std::string>;

// By the block's name: what a block of another name trusts is a change of the policy.
std::map<std::string, Keys> keys_of(const Runtime& runtime) {
    std::map<std::string, Keys> out;
    const auto& tokens = runtime.policy->tokens;
    for (uint32_t i = 0; i < tokens.size(); ++i) {
        Keys& keys = out[tokens[i].name];
        for (NamedKey& key : runtime.verifier->keys_of(i)) keys.emplace(key.key, std::move(key.name));
    }
    return out;
}

void compare_keys(const Runtime& before, const Runtime& after, Lines& out) {
    const auto old_keys = keys_of(before);
    for (const auto& [token, keys] : keys_of(after)) {
        const auto known = old_keys.find(token);
        // A set at a URL that is not fetched yet is no set without keys.
        if (known == old_keys.end() || known->second.empty() || keys.empty()) continue;
        for (const auto& [mark, name] : keys)
            if (!known->second.contains(mark)) out.push_back(fmt::format("token {}: + {}", token, name));
        for (const auto& [mark, name] : known->second)
            if (!keys.contains(mark)) out.push_back(fmt::format("token {}: - {}", token, name));
    }
}

std::string text_of(const TlsSide::Certificate& certificate) {
    const auto end = static_cast<std::time_t>(certificate.expires_s);
    return fmt::format("{} until {:%Y-%m-%d} (serial {})", fmt::join(certificate.names, ", "),
                       fmt::gmtime(end), certificate.serial);
}

std::map<std::string, std::string> certificates_of(const Configuration& of) {
    std::map<std::string, std::string> out;
    for (const auto& side : of.tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates())
            out.insert_or_assign(certificate.path, text_of(certificate));
    }
    return out;
}

void compare_certificates(const Configuration& before, const Configuration& after, Lines& out) {
    const auto old_ones = certificates_of(before);
    const auto new_ones = certificates_of(after);
    for (const auto& [path, text] : new_ones) {
        const auto known = old_ones.find(path);
        if (known == old_ones.end())
            out.push_back(fmt::format("certificate {}: + {}", path, text));
        else if (known->second != text)
            out.push_back(fmt::format("certificate {}: {} -> {}", path, known->second, text));
    }
    for (const auto& [path, text] : old_ones)
        if (!new_ones.contains(path)) out.push_back(fmt::format("certificate {}: - {}", path, text));
}

std::string counted(size_t lines) {
    return fmt::format("{} line{}", lines, lines == 1 ? "" : "s");
}

}  // namespace

std::vector<std::string> changes_beside_policy(const Configuration& before, const Configuration& after) {
    Lines out;
    compare_keys(before.runtime, after.runtime, out);
    compare_certificates(before, after, out);
    compare_settings(before.settings, after.settings, out);
    return out;
}

std::vector<std::string> summary_of(const std::vector<dsl::SectionChange>& changes) {
    Lines out;
    for (const dsl::SectionChange& change : changes) {
        if (change.kind == dsl::SectionChange::Kind::added)
            out.push_back(change.name + ": added");
        else if (change.kind == dsl::SectionChange::Kind::removed)
            out.push_back(change.name + ": removed");
        else
            out.push_back(fmt::format("{}: {} added, {} removed", change.name, counted(change.added.size()),
                                      counted(change.removed.size())));
    }
    return out;
}

}  // namespace wayleave
