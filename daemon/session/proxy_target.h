// Where a route's `proxy` sends what comes, and what is said there in the name of the client. Pure but for
// the random numbers.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/base/connection.h"
#include "daemon/base/now.h"
#include "daemon/decision/runtime.h"
#include "daemon/protocol/http_head.h"
#include "daemon/protocol/traceparent.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/facts.h"
#include "dsl/policy/policy.h"

namespace wayleave {

// Who is passed on. Borrowed for a call.
struct ProxiedClient {
    const Runtime& runtime;
    const dsl::Route& route;
    const dsl::Facts& facts;
    const Peer& peer;
    uint64_t connection = 0;
    std::string_view session;  // empty: it has none
    std::string_view user;     // that a backend may know; may be empty
    const Trace* trace = nullptr;
};

struct ProxyTarget {
    std::shared_ptr<const Backend> backend;
    std::string path;  // with the query, as it is written in a request
};
struct ProxyMiss {
    int status = 0;
    const char* why = nullptr;
};

[[nodiscard]] bool passes_requests(const dsl::Route& route);

// What a client is told where none is.
inline constexpr const char* no_proxy = "no backend of the route is for this connection";

// The first `proxy` whose condition holds; `http`: among those that take plain requests. Null: none.
[[nodiscard]] const dsl::Proxy* first_proxy(const dsl::Route& route, const dsl::Request& request, bool http);
[[nodiscard]] std::variant<ProxyTarget, ProxyMiss> proxy_target(const ProxiedClient& client,
                                                                const HttpHead& head, bool http);

// Lines about the client that are ours to say: Via, X-Forwarded-…, traceparent, and Wayleave-Identity where
// the backend has keys. `id` names the request in it.
[[nodiscard]] std::string proxy_lines(const ProxiedClient& client, const ProxyTarget& target,
                                      const HttpHead& head, std::string id, std::mt19937_64& random, Now now);

}  // namespace wayleave
