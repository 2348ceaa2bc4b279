#include <curl/curl.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <ctime>
#include <memory>
#include <set>
#include <utility>

#include "daemon/base/escape.h"
#include "daemon/cli/doctor_observations.h"
#include "daemon/cli/json_answer.h"
#include "daemon/edge/version.h"
#include "daemon/message/backend.h"

namespace wayleave {

namespace {

using NeighbourState = Observation::State;

constexpr long patience_ms = 3000;
constexpr size_t most_body = 4U << 20U;

struct FreeHandle {
    void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};
using Curl = std::unique_ptr<CURL, FreeHandle>;

size_t keep_body(char* bytes, size_t size, size_t count, void* user) noexcept {
    auto& body = *static_cast<std::string*>(user);
    if (body.size() + size * count > most_body) return 0;
    body.append(bytes, size * count);
    return size * count;
}

struct Fetched {
    CURLcode code = CURLE_OK;
    long status = 0;
    double seconds = 0;
    std::string body;
};

Fetched fetch(const std::string& url, const std::string& unix_socket, bool connect_only) {
    Fetched out;
    const Curl curl(curl_easy_init());
    if (!curl) return {CURLE_OUT_OF_MEMORY, 0, 0, {}};
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    if (!unix_socket.empty()) curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, unix_socket.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, patience_ms);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &out.body);
    if (connect_only) curl_easy_setopt(curl.get(), CURLOPT_CONNECT_ONLY, 1L);
    out.code = curl_easy_perform(curl.get());
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &out.status);
    curl_easy_getinfo(curl.get(), CURLINFO_TOTAL_TIME, &out.seconds);
    return out;
}

// Any answer will do: that "/" is not known says that somebody is there.
Observation backend_answer(const Backend& backend) {
    const std::string where = backend.socket.empty() ? backend.url : backend.url + " at " + backend.socket;
    const std::string about = "backend " + backend.name;
    const Fetched fetched = fetch(backend.url + "/", backend.socket, false);
    if (fetched.code != CURLE_OK)
        return {NeighbourState::bad, about, where + ": " + curl_easy_strerror(fetched.code),
                "start it, or correct the url; what needs it is answered `unavailable`"};
    const std::string text =
        fmt::format("{} answers GET / with {} in {:.0f} ms", where, fetched.status, fetched.seconds * 1000);
    if (fetched.seconds * 2000 > static_cast<double>(backend.timeout_ms))
        return {NeighbourState::doubt, about, text,
                fmt::format("its timeout is {} ms; raise it, or make it faster", backend.timeout_ms)};
    if (fetched.status >= 500)
        return {NeighbourState::doubt, about, text, "see its own log: 5xx opens its breaker"};
    return {NeighbourState::well, about, text, ""};
}

Observation key_server(const std::string& url) {
    const Fetched fetched = fetch(url, {}, false);
    const std::string remedy =
        "without keys no token of this block is accepted; correct the url, or who serves it";
    if (fetched.code != CURLE_OK)
        return {NeighbourState::bad, "keys", url + ": " + curl_easy_strerror(fetched.code), remedy};
    simdjson::dom::parser parser;
    simdjson::dom::array keys;
    const bool good =
        fetched.status == 200 && parser.parse(fetched.body)["keys"].get(keys) == simdjson::SUCCESS;
    if (!good)
        return {NeighbourState::bad, "keys",
                fmt::format("{} answers {}, and no set of keys", url, fetched.status), remedy};
    return {NeighbourState::well, "keys", fmt::format("{} has {} keys", url, keys.size()), ""};
}

Observation redis_server(const std::string& server) {
    const Fetched fetched = fetch("http://" + server, {}, true);
    if (fetched.code == CURLE_OK) return {NeighbourState::well, "redis", server + " takes connections", ""};
    return {NeighbourState::bad, "redis", server + ": " + curl_easy_strerror(fetched.code),
            "start it, or correct redis.server; until then nothing is published"};
}

Observation sentinel(const std::string& server) {
    const Fetched fetched = fetch("http://" + server, {}, true);
    if (fetched.code == CURLE_OK)
        return {NeighbourState::well, "sentinel", server + " takes connections", ""};
    return {NeighbourState::doubt, "sentinel", server + ": " + curl_easy_strerror(fetched.code),
            "start it, or correct redis.sentinels; without one of them nobody names the primary"};
}

Observations servers_of_redis(const Settings& settings) {
    if (settings.redis_sentinels.empty()) return {redis_server(settings.redis_server)};
    Observations out;
    for (const std::string& one : settings.redis_sentinels) out.push_back(sentinel(one));
    return out;
}

double metric_in(const std::string& page, const std::string& name) {
    const size_t at = page.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::strtod(page.c_str() + at + name.size() + 2, nullptr);
}

// Of a body that has a reason a line.
std::string one_line(std::string_view body) {
    std::string out;
    for (const char c : body.substr(0, body.find_last_not_of('\n') + 1)) {
        if (c == '\n')
            out += "; ";
        else
            out += c;
    }
    return out;
}

// As the daemon counts them.
Observation replicas(const Settings& settings, double count) {
    const std::string text =
        fmt::format("replicas of Redis that keep up: {:.0f}, and redis.replicas wants {}", count,
                    settings.redis_replicas);
    if (count >= static_cast<double>(settings.redis_replicas))
        return {NeighbourState::well, "replicas", text, ""};
    return {NeighbourState::bad, "replicas", text,
            "attach replicas to the primary; until then publications that are kept are answered unavailable"};
}

Observations look_at_metrics(const Settings& settings) {
    Observations out;
    const std::string base = "http://" + settings.admin_address;
    const Fetched ready = fetch(base + "/readyz", {}, false);
    if (ready.code != CURLE_OK)
        return {{NeighbourState::doubt, "admin address",
                 settings.admin_address + ": " + curl_easy_strerror(ready.code),
                 "the daemon runs with another admin.address, or not at all"}};
    if (ready.status == 200) {
        out.push_back({NeighbourState::well, "readiness", "/readyz answers 200", ""});
    } else {
        out.push_back({NeighbourState::bad, "readiness",
                       "/readyz answers 503: " + escape_peer_text(one_line(ready.body), 512),
                       "balancers send nobody here until that is mended"});
    }
    const std::string metrics = "\n" + fetch(base + "/metrics", {}, false).body;
    if (metric_in(metrics, "wayleave_unknown_clients_total") > 0)
        out.push_back({NeighbourState::doubt, "proxies",
                       "a trusted proxy has not said from whom requests are",
                       "have it set the header that `forwarded` names, on every request"});
    if (settings.broker == "redis" && settings.redis_sync == "replicas")
        out.push_back(replicas(settings, metric_in(metrics, "wayleave_redis_replicas")));
    return out;
}

Observation broken_reload(const simdjson::dom::element& status) {
    bool refused = false;
    if (status["policy"]["last_reload_refused"].get(refused) == simdjson::SUCCESS && refused)
        return {NeighbourState::doubt, "policy in force",
                "the last reload was refused; an older policy is in force",
                "`wayleave lint` says why; then `wayleave reload`"};
    return {NeighbourState::well, "policy in force", "the last reload was taken", ""};
}

Observation room(const simdjson::dom::element& status) {
    const uint64_t sockets = number_of(status, "sockets");
    const uint64_t most = number_of(status, "max_connections");
    const std::string text = fmt::format("{} of {} sockets are open", sockets, most);
    if (most > 0 && sockets * 10 > most * 8)
        return {NeighbourState::doubt, "room", text,
                "raise max_connections and LimitNOFILE=, or add a machine"};
    return {NeighbourState::well, "room", text, ""};
}

}  // namespace

Observations look_at_neighbours(const Settings& settings, const LoadedRuntime& loaded) {
    Observations out;
    if (!loaded.runtime) return out;
    for (const auto& backend : loaded.runtime->backends) out.push_back(backend_answer(*backend));
    std::set<std::string> urls;
    for (const auto& token : loaded.runtime->policy->tokens)
        if (!token.keys_url.empty() && urls.insert(token.keys_url).second)
            out.push_back(key_server(token.keys_url));
    if (settings.broker == "redis") {
        for (Observation& one : servers_of_redis(settings)) out.push_back(std::move(one));
    }
    return out;
}

Observations look_at_daemon(const Settings& settings) {
    if (settings.control_socket.empty())
        return {{NeighbourState::doubt, "control socket", "control.socket is not set",
                 "set it: `wayleave status`, `why`, `reload` and others ask the daemon by it"}};
    const Fetched fetched = fetch("http://wayleave/status", settings.control_socket, false);
    if (fetched.code != CURLE_OK)
        return {{NeighbourState::unknown, "daemon", "none answers at " + settings.control_socket,
                 "start it, or ask as root"}};
    if (fetched.status == 403)
        return {{NeighbourState::unknown, "daemon", "it runs, and you may not ask it",
                 "ask as root, or become a member of control.group"}};
    simdjson::dom::parser parser;
    simdjson::dom::element status;
    if (parser.parse(fetched.body).get(status) != simdjson::SUCCESS)
        return {{NeighbourState::bad, "daemon",
                 "what answers at " + settings.control_socket + " is no wayleave", ""}};
    Observations out{
        {NeighbourState::well, "daemon", "version " + std::string(text_of(status, "version")) + " runs", ""},
        broken_reload(status),
        room(status)};
    if (!settings.admin_address.empty())
        for (Observation& one : look_at_metrics(settings)) out.push_back(std::move(one));
    return out;
}

}  // namespace wayleave
