#include "dsl/policy/consequences.h"

#include <algorithm>
#include <map>
#include <set>

#include "dsl/policy/describe.h"

namespace wayleave::dsl {
namespace {

using Sentences = std::vector<std::string>;

std::string to_text(const Policy& policy, const Route& route, const BackendPath& to) {
    const BackendDecl& backend = policy.backends[to.backend];
    const auto url = backend.settings.find("url");
    return backend.name + " " + (url == backend.settings.end() ? "" : print(url->second, {})) + " " +
           Words{route}.path(to);
}

std::string target_of(const Policy& policy, const Route& route, const Stream& stream) {
    return to_text(policy, route, stream.to);
}

const Stream* stream_named(const Route& route, const std::string& name) {
    const auto it = std::find_if(route.streams.begin(), route.streams.end(),
                                 [&](const Stream& one) { return one.name == name; });
    return it == route.streams.end() ? nullptr : &*it;
}

void compare_streams(const Policy& before, const Route& was, const Policy& after, const Route& is,
                     Sentences& out) {
    const auto add = [&](const Stream& stream, const char* what) {
        out.push_back("stream " + stream.name + ": " + what);
    };
    for (const Stream& old : was.streams) {
        if (!stream_named(is, old.name)) add(old, "closed at once for who has it (1000, policy_changed)");
    }
    for (const Stream& fresh : is.streams) {
        const Stream* old = stream_named(was, fresh.name);
        if (!old) {
            add(fresh, was.streams.empty()
                           ? "opened for who connects from now on; who is connected now comes again for it"
                           : "opened at once for who is connected");
        } else if (target_of(before, was, *old) != target_of(after, is, fresh)) {
            add(fresh, "opened anew for who has it, where it leads now");
        }
        if (old && Words{was}.condition_of(old->condition) != Words{is}.condition_of(fresh.condition))
            add(fresh, "opened or closed at once for who is connected, as its condition says now");
    }
}

void compare_proxies(const Policy& before, const Route& was, const Policy& after, const Route& is,
                     Sentences& out) {
    const auto text = [](const Policy& policy, const Route& route) {
        std::string all;
        for (const Proxy& proxy : route.proxies)
            all += to_text(policy, route, proxy.to) + Words{route}.condition_of(proxy.condition) + "\n";
        return all;
    };
    if (was.proxies.empty() != is.proxies.empty())
        out.emplace_back("proxy: who is connected is closed, since another speaks here now (policy_changed)");
    else if (text(before, was) != text(after, is))
        out.emplace_back("proxy: who is connected stays with the backend that he has; it is for who comes");
}

std::map<std::string, const Alias*> aliases_of(const Policy& policy, const Route& route) {
    std::map<std::string, const Alias*> out;
    for (const auto& [number, alias] : policy.aliases) {
        if (policy.routes[alias.route].get() == &route) out.emplace(alias.address, &alias);
    }
    return out;
}

void compare_addresses(const Policy& before, const Route& was, const Policy& after, const Route& is,
                       Sentences& out) {
    const auto old_aliases = aliases_of(before, was);
    const auto new_aliases = aliases_of(after, is);
    const auto has = [](const Route& route, const std::string& address) {
        return std::find(route.addresses.begin(), route.addresses.end(), address) != route.addresses.end();
    };
    const bool closes = is.on_policy_change != PolicyChange::keep;
    for (const std::string& address : was.addresses) {
        if (closes && !has(is, address) && !new_aliases.contains(address))
            out.push_back("address " + address +
                          ": who came by it is closed, unless another of the policy has it");
    }
    for (const auto& [address, alias] : old_aliases) {
        const auto now = new_aliases.find(address);
        if (now == new_aliases.end()) {
            if (closes && !has(is, address))
                out.push_back("alias " + address +
                              ": who came by it is closed, unless another address of the policy has it");
        } else if (alias->stream != now->second->stream) {
            out.push_back("alias " + address + ": who came by it speaks as before until he comes again");
        }
    }
    for (const auto& [address, alias] : new_aliases) {
        if (old_aliases.contains(address) || has(was, address)) continue;
        out.push_back(
            "alias " + address + ": open from now on" +
            (alias->stream.empty() ? "" : ", to clients that speak the stream " + alias->stream + " alone"));
    }
}

}  // namespace

std::vector<std::string> consequences(const Policy& before, const Route& was, const Policy& after,
                                      const Route& is) {
    Sentences out;
    // Then all of them come again.
    if (was.api || is.on_policy_change == PolicyChange::close) return out;
    compare_streams(before, was, after, is, out);
    compare_proxies(before, was, after, is, out);
    compare_addresses(before, was, after, is, out);
    return out;
}

}  // namespace wayleave::dsl
