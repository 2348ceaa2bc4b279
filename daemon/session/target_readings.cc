#include "daemon/session/target_readings.h"

#include <algorithm>
#include <string>

#include "daemon/base/ascii.h"
#include "dsl/policy/router.h"

namespace wayleave {
namespace {

bool is_of_query(const dsl::TokenSource& source) {
    return source.kind == dsl::SourceKind::query;
}

// Whether the policy looks into the query of those who come by this address.
bool reads_query(const dsl::Policy& policy, const dsl::Route& route, uint32_t address) {
    for (const uint32_t token : route.auth) {
        const auto& from = policy.tokens[token].from;
        if (std::any_of(from.begin(), from.end(), is_of_query)) return true;
    }
    if (std::any_of(route.inputs.begin(), route.inputs.end(),
                    [](const dsl::InputDecl& input) { return is_of_query(input.from); }))
        return true;
    const auto alias = policy.aliases.find(address);
    if (alias == policy.aliases.end()) return false;
    const auto& captures = alias->second.captures;
    return std::any_of(captures.begin(), captures.end(), [](const auto& bound) {
        const auto* source = std::get_if<dsl::TokenSource>(&bound);
        return source && is_of_query(*source);
    });
}

bool is_path(const dsl::Operand& operand) {
    return operand.from == dsl::Operand::From::attribute && operand.attribute == dsl::Attribute::path;
}

bool counts_by_path(const std::vector<dsl::Limit>& limits) {
    return std::any_of(limits.begin(), limits.end(), [](const dsl::Limit& limit) {
        return std::any_of(limit.per.begin(), limit.per.end(), is_path);
    });
}

bool reads_path(const dsl::Route& route) {
    const dsl::Program& program = route.program;
    const bool bans = std::any_of(route.bans.begin(), route.bans.end(), [](const dsl::Ban& ban) {
        return std::any_of(ban.keys.begin(), ban.keys.end(), is_path);
    });
    return bans || counts_by_path(route.limits) ||
           std::any_of(program.atoms.begin(), program.atoms.end(),
                       [](const dsl::Atom& atom) { return is_path(atom.left) || is_path(atom.right); }) ||
           std::any_of(program.switches.begin(), program.switches.end(),
                       [](const dsl::Switch& one) { return is_path(one.on); }) ||
           std::any_of(program.lookups.begin(), program.lookups.end(),
                       [](const dsl::Lookup& one) { return is_path(one.key); });
}

// A `proxy` that names a path says there what the policy has read, and nothing else.
bool goes_on_as_written(const dsl::Route& route) {
    return std::any_of(route.proxies.begin(), route.proxies.end(),
                       [](const dsl::Proxy& proxy) { return proxy.to.path.empty(); });
}

struct Habits {
    bool keeps_slashes;    // an encoded slash is a character of its segment
    bool cuts_parameters;  // what stands behind a ';' is no part of a segment's name
};

std::string read_path(std::string_view written, Habits habits) {
    std::string out;
    bool cut = false;
    for (size_t i = 0; i < written.size(); ++i) {
        char c = written[i];
        const bool encoded = c == '%';
        if (encoded) {
            c = static_cast<char>(hex_digit(written[i + 1]) * 16 + hex_digit(written[i + 2]));
            i += 2;
        }
        if (c == '/' && encoded && habits.keeps_slashes) {
            if (!cut) out += "%2F";
            continue;
        }
        if (c == '/') cut = false;
        if (c == ';' && habits.cuts_parameters) cut = true;
        if (!cut) out += c;
    }
    return out;
}

bool leads_there(const dsl::Policy& policy, const HttpHead& head, const dsl::RouteMatch& match,
                 Habits habits) {
    const std::string path = read_path(head.written_path, habits);
    dsl::RouteMatch other;
    return !has_ambiguous_segment(path) && policy.router.find(head.authority.name, path, other) &&
           other.address == match.address && other.captures == match.captures;
}

}  // namespace

std::string_view why_target_is_refused(const dsl::Policy& policy, const HttpHead& head) {
    dsl::RouteMatch match;
    const bool found = policy.router.find(head.authority.name, head.path, match);
    const dsl::Route* route = found ? policy.routes[match.route].get() : nullptr;
    if (!route || route->proxies.empty()) return head.path_doubt.empty() ? head.query_doubt : head.path_doubt;
    if (!head.query_doubt.empty() && reads_query(policy, *route, match.address)) return head.query_doubt;
    const bool slashes = !head.path_doubt.empty();
    const bool parameters = head.path.find(';') != std::string::npos;
    if ((!slashes && !parameters) || !goes_on_as_written(*route)) return {};
    const bool alike = !reads_path(*route) && (!slashes || leads_there(policy, head, match, {true, false})) &&
                       (!parameters || leads_there(policy, head, match, {false, true})) &&
                       (!parameters || leads_there(policy, head, match, {true, true}));
    if (alike) return {};
    return slashes ? "encoded slash in the path, which a backend could read as another one"
                   : "';' in the path, which a backend could read as another one";
}

}  // namespace wayleave
