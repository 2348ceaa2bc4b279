#include "dsl/policy/policy.h"

#include <algorithm>

namespace wayleave::dsl {
namespace {

constexpr std::array<std::string_view, refusals> refusal_names{
    "unauthenticated", "forbidden", "limited", "banned",      "bad_message",    "unknown_message",
    "too_big",         "slow",      "expired", "unavailable", "policy_changed",
};

}  // namespace

std::string_view to_string(Refusal refusal) {
    return refusal_names[static_cast<size_t>(refusal)];
}

std::optional<Refusal> refusal_from(std::string_view name) {
    const auto it = std::find(refusal_names.begin(), refusal_names.end(), name);
    if (it == refusal_names.end()) return std::nullopt;
    return static_cast<Refusal>(it - refusal_names.begin());
}

namespace {

// Scheme and port say the same if the port is the scheme's own (RFC 6454 4).
bool is_of_host(std::string_view origin, std::string_view host) {
    const bool secure = origin.starts_with("https://");
    if (!secure && !origin.starts_with("http://")) return false;
    origin.remove_prefix(secure ? 8 : 7);
    const std::string_view own_port = secure ? ":443" : ":80";
    if (host.ends_with(own_port)) host.remove_suffix(own_port.size());
    if (origin.ends_with(own_port)) origin.remove_suffix(own_port.size());
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return !host.empty() && std::equal(origin.begin(), origin.end(), host.begin(), host.end(),
                                       [&](char a, char b) { return a == lower(b); });
}

}  // namespace

bool Origins::allow(std::string_view origin, bool present, std::string_view host) const {
    if (any) return true;
    if (!present) return absent;
    if (origin.empty()) return false;
    if (same_host && is_of_host(origin, host)) return true;
    if (std::find(exact.begin(), exact.end(), origin) != exact.end()) return true;
    return std::any_of(subdomains.begin(), subdomains.end(), [&](const auto& pattern) {
        const auto& [before, after] = pattern;
        if (origin.size() <= before.size() + after.size()) return false;
        if (!origin.starts_with(before) || !origin.ends_with(after)) return false;
        const std::string_view middle =
            origin.substr(before.size(), origin.size() - before.size() - after.size());
        // No label is empty: "https://x..example.org" is no address of a page.
        if (middle.front() == '.' || middle.back() == '.' || middle.find("..") != std::string_view::npos)
            return false;
        return std::all_of(middle.begin(), middle.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        });
    });
}

std::string_view to_string(Lane lane) {
    return lane == Lane::urgent ? "urgent" : lane == Lane::low ? "low" : "normal";
}

const Message* Route::message(std::string_view type) const {
    if (const auto it = exact_types.find(type); it != exact_types.end()) return &messages[it->second];
    for (const auto& [prefix, number] : type_prefixes) {
        if (type.size() > prefix.size() && type.starts_with(prefix)) return &messages[number];
    }
    return nullptr;
}

const ChannelDecl* Policy::channel(std::string_view name) const {
    RouteMatch match;
    if (channels.empty() || !channel_router.find({}, "/" + std::string(name), match)) return nullptr;
    return &channels[match.route];
}

const ChannelRules& Policy::channel_rules(std::string_view name) const {
    static const ChannelRules none;
    const ChannelDecl* block = channel(name);
    return block != nullptr ? block->rules : none;
}

const Route* Policy::route(std::string_view name) const {
    const auto it = by_name.find(name);
    return it == by_name.end() ? nullptr : routes[it->second].get();
}

}  // namespace wayleave::dsl
