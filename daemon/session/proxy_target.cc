#include "daemon/session/proxy_target.h"

#include <algorithm>
#include <utility>

#include "daemon/decision/authorize.h"
#include "daemon/decision/envelope.h"
#include "daemon/protocol/proxied_head.h"
#include "dsl/policy/evaluate.h"

namespace wayleave {
namespace {

// The path of the backend's own address, before all others.
std::string_view prefix_of(const std::string& url) {
    const size_t scheme = url.find("://");
    const size_t slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
    return slash == std::string::npos ? std::string_view() : std::string_view(url).substr(slash);
}

}  // namespace

const dsl::Proxy* first_proxy(const dsl::Route& route, const dsl::Request& request, bool http) {
    for (const dsl::Proxy& proxy : route.proxies) {
        if (http && !proxy.http) continue;
        if (dsl::decide(route.program, route.program.nodes, route.program.roots[proxy.condition], request) !=
            dsl::never)
            return &proxy;
    }
    return nullptr;
}

bool passes_requests(const dsl::Route& route) {
    return std::any_of(route.proxies.begin(), route.proxies.end(),
                       [](const dsl::Proxy& proxy) { return proxy.http; });
}

std::variant<ProxyTarget, ProxyMiss> proxy_target(const ProxiedClient& client, const HttpHead& head,
                                                  bool http) {
    const dsl::Request request = request_for(client.facts, client.connection);
    const dsl::Proxy* proxy = first_proxy(client.route, request, http);
    if (!proxy) return ProxyMiss{403, no_proxy};
    ProxyTarget out{client.runtime.backends.at(proxy->to.backend), {}};
    if (proxy->to.path.empty()) {
        out.path = path_for_backend(head.written_path);
    } else if (!dsl::build_path(client.route.program, proxy->to, request, out.path)) {
        return ProxyMiss{404, "a value cannot stand in the backend's path"};
    }
    out.path.insert(0, prefix_of(out.backend->url));
    if (head.has_query) out.path.append("?").append(head.query);
    return out;
}

std::string proxy_lines(const ProxiedClient& client, const ProxyTarget& target, const HttpHead& head,
                        std::string id, std::mt19937_64& random, Now now) {
    std::string out = head.http10 ? "Via: 1.0 wayleave\r\n" : "Via: 1.1 wayleave\r\n";
    out += "X-Forwarded-For: " + client.peer.ip.text() +
           "\r\nX-Forwarded-Proto: " + (client.peer.tls ? "https" : "http") +
           "\r\nX-Forwarded-Host: " + head.authority.text() + "\r\n";
    out += "traceparent: " + traceparent(client.trace, random) + "\r\n";
    if (target.backend->sign.empty() || !client.runtime.backend_service) return out;
    BackendRequest request;
    request.backend = target.backend;
    request.id = std::move(id);
    request.identity = identity_members(
        {"proxy", request.id, now.wall_ms, client.route, client.facts, client.session, {}, client.user});
    return out + "Wayleave-Identity: " + client.runtime.backend_service->identity_of(request, now) + "\r\n";
}

}  // namespace wayleave
