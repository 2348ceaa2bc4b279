#include "daemon/session/tunnels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/decision/envelope.h"
#include "daemon/protocol/handshake.h"
#include "daemon/protocol/response_head.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// Of either side, before the other is not read from. What one read brings comes on top.
constexpr size_t most_waiting = 64 * 1024;
constexpr size_t most_head = 16'384;

// Of this hop alone (RFC 9110 7.6.1), or ours to say. What a client claims about itself in our words must not
// reach a backend that believes us.
bool stays_here(const HttpHead& head, std::string_view name) {
    constexpr std::array<std::string_view, 16> ours{"connection",
                                                    "keep-alive",
                                                    "proxy-connection",
                                                    "proxy-authorization",
                                                    "te",
                                                    "trailer",
                                                    "transfer-encoding",
                                                    "upgrade",
                                                    "host",
                                                    "content-length",
                                                    "forwarded",
                                                    "x-forwarded-for",
                                                    "x-forwarded-proto",
                                                    "x-forwarded-host",
                                                    "wayleave-identity",
                                                    "traceparent"};
    const bool listed = std::any_of(ours.begin(), ours.end(),
                                    [&](std::string_view one) { return same_ignoring_case(one, name); });
    return listed || list_has(head, "connection", name);
}

// The path as it was judged: what a client has written in another way is not said again.
std::string path_text(const std::string& path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view plain = "-._~/!$&'()*+,;=:@";
    std::string out;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out.append("%") += digits[byte >> 4U];
            out += digits[byte & 15U];
        }
    }
    return out;
}

}  // namespace

Tunnels::Tunnels(std::string name, Actions& actions, const SessionTable& sessions, const Bindings& bindings,
                 Deadlines& deadlines, Outbox& outbox, ConnectionLog& log, Counters& counters,
                 std::mt19937_64& random)
    : name_(std::move(name)),
      actions_(actions),
      sessions_(sessions),
      bindings_(bindings),
      deadlines_(deadlines),
      outbox_(outbox),
      log_(log),
      counters_(counters),
      random_(random) {}

const dsl::Proxy* Tunnels::choose(const Session& session) {
    const dsl::Route& route = *session.binding->route;
    const dsl::Request request = request_for(session.facts, session.number);
    for (const dsl::Proxy& proxy : route.proxies) {
        if (dsl::decide(route.program, route.program.nodes, route.program.roots[proxy.condition], request) !=
            dsl::never)
            return &proxy;
    }
    return nullptr;
}

bool Tunnels::set_path(const Session& session, const dsl::Proxy& proxy, const HttpHead& head,
                       Tunnel& tunnel) {
    const dsl::Request request = request_for(session.facts, session.number);
    if (proxy.to.path.empty()) {
        tunnel.path = path_text(head.path);
    } else if (!dsl::build_path(session.binding->route->program, proxy.to, request, tunnel.path)) {
        return false;
    }
    const std::string& url = tunnel.backend->url;
    const size_t scheme = url.find("://");
    const size_t slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
    if (slash != std::string::npos) tunnel.path.insert(0, url.substr(slash));
    if (!head.query.empty()) tunnel.path.append("?").append(head.query);
    return true;
}

void Tunnels::open(Session& session, const HttpHead& head, Now now) {
    auto made = std::make_unique<Tunnel>();
    Tunnel& tunnel = *made;
    tunnel.dialled = ++numbers_ | mark;
    tunnel.session = session.number;
    tunnel.client = session.id;
    tunnels_.emplace(tunnel.dialled, std::move(made));
    of_session_.emplace(session.number, tunnel.dialled);
    const dsl::Proxy* proxy = choose(session);
    if (!proxy) return refuse(tunnel, 403, "no backend of the route is for this connection", now);
    tunnel.backend = session.binding->runtime->backends.at(proxy->to.backend);
    if (!set_path(session, *proxy, head, tunnel))
        return refuse(tunnel, 404, "a value cannot stand in the backend's path", now);
    tunnel.out = request_of(session, tunnel, head, now);
    tunnel.answer_by_ms = now.steady_ms + tunnel.backend->timeout_ms;
    asking_.emplace(tunnel.answer_by_ms, tunnel.dialled);
    actions_.dials.push_back({tunnel.dialled, tunnel.backend});
}

std::string Tunnels::request_of(const Session& session, const Tunnel& tunnel, const HttpHead& head, Now now) {
    std::string out = "GET " + tunnel.path + " HTTP/1.1\r\nHost: " + head.authority.text() +
                      "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for (const HttpField& field : head.fields) {
        if (stays_here(head, field.name)) continue;
        out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    out += "X-Forwarded-For: " + session.peer.ip.text() +
           "\r\nX-Forwarded-Proto: " + (session.peer.tls ? "https" : "http") +
           "\r\nX-Forwarded-Host: " + head.authority.text() + "\r\n";
    out += "traceparent: " + traceparent(session.trace.get(), random_) + "\r\n";
    const Runtime& runtime = *session.binding->runtime;
    if (!tunnel.backend->sign.empty() && runtime.backend_service) {
        BackendRequest request;
        request.backend = tunnel.backend;
        request.id = "prx_" + name_ + "-" + std::to_string(numbers_);
        const std::string number = session_text(session.number);
        request.identity = identity_members({"proxy",
                                             request.id,
                                             now.wall_ms,
                                             *session.binding->route,
                                             session.facts,
                                             number,
                                             {},
                                             session.shown_user()});
        out += "Wayleave-Identity: " + runtime.backend_service->identity_of(request, now) + "\r\n";
    }
    return out + "\r\n";
}

// --- the client ---

void Tunnels::from_client(Session& session, std::string_view bytes) {
    const auto it = of_session_.find(session.number);
    Tunnel* tunnel = it == of_session_.end() ? nullptr : find(it->second);
    if (!tunnel) return;
    tunnel->out.append(bytes);
    counters_.tunnel_bytes_in.add(bytes.size());
    if (tunnel->out.size() - tunnel->written > most_waiting) session.input_full = true;
    if (tunnel->open) actions_.upstreams_to_flush.push_back(tunnel->dialled);
}

void Tunnels::ended(const Session& session) {
    const auto it = of_session_.find(session.number);
    if (it == of_session_.end()) return;
    if (Tunnel* tunnel = find(it->second)) finish(*tunnel, true);
}

void Tunnels::drained(const Session& session) {
    const auto it = of_session_.find(session.number);
    Tunnel* tunnel = it == of_session_.end() ? nullptr : find(it->second);
    if (tunnel && std::exchange(tunnel->paused, false)) actions_.upstreams_to_read.push_back(tunnel->dialled);
}

// --- the backend ---

void Tunnels::connected(uint64_t dialled) {
    if (find(dialled)) actions_.upstreams_to_flush.push_back(dialled);
}

void Tunnels::received(uint64_t dialled, std::span<char> bytes, Now now) {
    Tunnel* tunnel = find(dialled);
    if (!tunnel) return;
    Session* session = client_of(*tunnel);
    if (!session) return finish(*tunnel, true);
    if (!tunnel->open) return read_answer(*tunnel, {bytes.data(), bytes.size()}, now);
    session->last_heard_ms = now.steady_ms;
    to_client(*tunnel, *session, {bytes.data(), bytes.size()});
}

// The answer is the client's only if it is what a WebSocket's client may be told: it goes on as it is.
void Tunnels::read_answer(Tunnel& tunnel, std::string_view bytes, Now now) {
    tunnel.head.append(bytes);
    const ResponseResult parsed = parse_response_head(tunnel.head, {.bytes = most_head});
    if (std::holds_alternative<NeedMore>(parsed)) return;
    if (const auto* wrong = std::get_if<ResponseRefusal>(&parsed))
        return refuse(tunnel, 502, std::string(wrong->reason), now);
    const auto& head = std::get<ResponseHead>(parsed);
    if (head.status != 101) {
        const bool clear = head.status >= 400;
        return refuse(tunnel, clear ? head.status : 502,
                      "the backend has answered " + std::to_string(head.status), now);
    }
    tunnel.open = true;
    counters_.tunnels_opened.add();
    counters_.tunnels.set(counters_.tunnels.get() + 1);
    asking_.erase({tunnel.answer_by_ms, tunnel.dialled});
    Session& session = *client_of(tunnel);
    const std::string text = std::exchange(tunnel.head, {});
    to_client(tunnel, session, text);
    deadlines_.reschedule(session, now);
}

void Tunnels::to_client(Tunnel& tunnel, Session& session, std::string_view bytes) {
    counters_.tunnel_bytes_out.add(bytes.size());
    outbox_.queue(session, framed(std::string(bytes)));
    if (session.queue.bytes() > most_waiting) tunnel.paused = true;
}

// In words of our own: a body of the backend's would need its framing, too.
void Tunnels::refuse(Tunnel& tunnel, int status, std::string why, Now now) {
    note(tunnel, why, now);
    counters_.tunnels_refused.add();
    Session* session = client_of(tunnel);
    finish(tunnel, true);
    if (!session) return;
    Rejection rejection = Rejection::of(
        status == 401 || status == 403 ? Reason::forbidden : Reason::unavailable, std::move(why));
    log_.refused(*session, rejection);
    log_.note_ending(*session, rejection);
    session->state = Session::State::closing;
    outbox_.send_last(*session, problem_response(status, to_string(rejection.reason), rejection, false, ""));
    session->close_by_ms = now.steady_ms + bindings_.settings().close_timeout_ms;
    deadlines_.reschedule(*session, now);
}

void Tunnels::gone(uint64_t dialled, const std::string& why, Now now) {
    Tunnel* tunnel = find(dialled);
    if (!tunnel) return;
    if (!tunnel->open) return refuse(*tunnel, 502, "the backend is not reached: " + why, now);
    Session* session = client_of(*tunnel);
    finish(*tunnel, false);
    if (!session) return;
    ConnectionLog::note_ending(*session, "backend", "the backend has closed it");
    session->state = Session::State::closing;
    outbox_.finish(*session);
    session->close_by_ms = now.steady_ms + bindings_.settings().close_timeout_ms;
    deadlines_.reschedule(*session, now);
}

bool Tunnels::may_read(uint64_t dialled) const {
    const Tunnel* tunnel = find(dialled);
    return tunnel && !tunnel->paused;
}

std::string_view Tunnels::output(uint64_t dialled) const {
    const Tunnel* tunnel = find(dialled);
    return tunnel ? std::string_view(tunnel->out).substr(tunnel->written) : std::string_view();
}

void Tunnels::written(uint64_t dialled, size_t bytes) {
    Tunnel* tunnel = find(dialled);
    if (!tunnel) return;
    tunnel->written += bytes;
    if (tunnel->written < tunnel->out.size()) return;
    tunnel->written = 0;
    std::string().swap(tunnel->out);
    Session* session = client_of(*tunnel);
    if (session && std::exchange(session->input_full, false)) actions_.to_read.push_back(session->id);
}

void Tunnels::tick(Now now) {
    while (!asking_.empty() && asking_.begin()->first <= now.steady_ms) {
        Tunnel* tunnel = find(asking_.begin()->second);
        asking_.erase(asking_.begin());
        if (tunnel) refuse(*tunnel, 504, "the backend does not answer the handshake in time", now);
    }
}

// --- look-up ---

Tunnels::Tunnel* Tunnels::find(uint64_t dialled) const {
    const auto it = tunnels_.find(dialled);
    return it == tunnels_.end() ? nullptr : it->second.get();
}

Session* Tunnels::client_of(const Tunnel& tunnel) const {
    Session* session = sessions_.find(tunnel.client);
    const bool same = session && session->number == tunnel.session;
    return same && session->state == Session::State::open ? session : nullptr;
}

void Tunnels::finish(Tunnel& tunnel, bool hang_up) {
    if (tunnel.open) counters_.tunnels.set(counters_.tunnels.get() - 1);
    if (hang_up) actions_.upstreams_to_abort.push_back(tunnel.dialled);
    asking_.erase({tunnel.answer_by_ms, tunnel.dialled});
    of_session_.erase(tunnel.session);
    tunnels_.erase(tunnel.dialled);
}

void Tunnels::note(const Tunnel& tunnel, std::string text, Now now) {
    Event event{"proxy-failed", std::move(text), Severity::warning};
    if (tunnel.backend) event.with("backend", tunnel.backend->name);
    event.with("path", tunnel.path.substr(0, tunnel.path.find('?')));
    log_.tell(std::move(event), tunnel.backend ? tunnel.backend->name : "", "proxy", now);
}

}  // namespace wayleave
