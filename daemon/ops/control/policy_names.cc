#include "daemon/ops/control/policy_names.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t most_named = 12;

using Places = std::vector<std::string_view>;

template <class List>
void add_each(const List& list, Places& out) {
    for (const auto& one : list) out.push_back(one.place);
}

void add_message(const dsl::Message& message, Places& out) {
    out.push_back(message.place);
    add_each(message.fields, out);
    add_each(message.limits, out);
    add_each(message.forwards, out);
}

void add_route(const dsl::Route& route, Places& out) {
    out.insert(out.end(), {route.place, route.origins_place, route.min_tls_place});
    add_each(route.rules, out);
    add_each(route.limits, out);
    add_each(route.bans, out);
    add_each(route.proxies, out);
    add_each(route.notifies, out);
    for (const dsl::Message& message : route.messages) add_message(message, out);
    add_each(route.streams, out);
    for (const dsl::Stream& stream : route.streams) add_each(stream.limits, out);
}

// "/r/chat.route:12:5" -> "chat.route", 12
std::pair<std::string_view, size_t> file_and_line(std::string_view place) {
    place.remove_prefix(place.rfind('/') + 1);
    const std::string_view file = place.substr(0, place.find(':'));
    place.remove_prefix(std::min(place.size(), file.size() + 1));
    size_t line = 0;
    (void)std::from_chars(place.data(), place.data() + place.size(), line);
    return {file, line};
}

std::string listed(const std::set<std::string>& names) {
    std::string out;
    size_t named = 0;
    for (const std::string& name : names) {
        if (named++ == most_named) return out + " and " + std::to_string(names.size() - most_named) + " more";
        out += (out.empty() ? "" : ", ") + name;
    }
    return out;
}

Status check_route(const std::string& name, const dsl::Policy& policy) {
    std::set<std::string> names;
    for (const auto* routes : {&policy.routes, &policy.apis})
        for (const auto& route : *routes) names.insert(route->name);
    if (names.contains(name)) return success();
    const std::vector<std::string_view> known(names.begin(), names.end());
    const std::string_view near = near_name(name, known);
    return failure(
        "the policy in force has no route " + dsl::quoted(name) +
        (near.empty() ? "; there are " + listed(names) : "; did you mean " + std::string(near) + "?"));
}

// The lines before and behind it, or the files.
Status no_such_line(const std::string& rule, const Places& places) {
    const auto [file, line] = file_and_line(rule);
    std::set<std::string> files;
    std::set<size_t> lines;
    for (const std::string_view place : places) {
        const auto [of, number] = file_and_line(place);
        if (of.empty()) continue;
        files.insert(std::string(of));
        if (of == file) lines.insert(number);
    }
    const std::string wrong = "no statement of the policy in force that refuses is at " + dsl::quoted(rule);
    if (lines.empty()) return failure(wrong + "; its files are " + listed(files));
    const auto behind = lines.lower_bound(line);
    std::set<std::string> near;
    const std::string before(file);
    if (behind != lines.begin()) near.insert(before + ":" + std::to_string(*std::prev(behind)));
    if (behind != lines.end()) near.insert(before + ":" + std::to_string(*behind));
    return failure(wrong + "; the nearest is at " + listed(near));
}

}  // namespace

Places places_of(const dsl::Policy& policy) {
    Places out;
    for (const auto& route : policy.routes) add_route(*route, out);
    for (const auto& api : policy.apis) add_route(*api, out);
    for (const auto& [number, alias] : policy.aliases) out.push_back(alias.place);
    for (const dsl::BackendDecl& backend : policy.backends) {
        out.push_back(backend.place);
        add_each(backend.rules, out);
    }
    add_each(policy.channels, out);
    std::erase_if(out, [](std::string_view place) { return place.empty(); });
    return out;
}

Status check_names(const TraceFilter& filter, const dsl::Policy& policy) {
    if (!filter.route.empty()) {
        if (auto known = check_route(filter.route, policy); !known) return known;
    }
    if (filter.rule.empty()) return success();
    const Places places = places_of(policy);
    const bool known = std::any_of(places.begin(), places.end(),
                                   [&](std::string_view place) { return is_place(filter.rule, place); });
    return known ? success() : no_such_line(filter.rule, places);
}

}  // namespace wayleave
