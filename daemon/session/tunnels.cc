#include "daemon/session/tunnels.h"

#include <utility>

#include "daemon/protocol/handshake.h"
#include "daemon/protocol/proxied_head.h"
#include "daemon/protocol/response_head.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// Of either side, before the other is not read from. What one read brings comes on top.
constexpr size_t most_tunnelled_bytes = 64 * 1024;
constexpr size_t most_head = 16'384;

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

void Tunnels::open(Session& session, const HttpHead& head, Now now) {
    auto made = std::make_unique<Tunnel>();
    Tunnel& tunnel = *made;
    tunnel.dialled = marked(UpstreamKind::tunnel, ++numbers_);
    tunnel.session = session.number;
    tunnel.client = session.id;
    tunnels_.emplace(tunnel.dialled, std::move(made));
    of_session_.emplace(session.number, tunnel.dialled);
    const std::string number = session_text(session.number);
    const ProxiedClient client{*session.binding->runtime,
                               *session.binding->route,
                               session.facts,
                               session.peer,
                               session.number,
                               number,
                               session.shown_user(),
                               session.trace.get()};
    auto target = proxy_target(client, head, false);
    if (const auto* miss = std::get_if<ProxyMiss>(&target))
        return refuse(tunnel, miss->status, miss->why, now);
    tunnel.target = std::move(std::get<ProxyTarget>(target));
    tunnel.out.text() = request_of(client, tunnel, head, now);
    tunnel.answer_by_ms = now.steady_ms + tunnel.target.backend->timeout_ms;
    asking_.emplace(tunnel.answer_by_ms, tunnel.dialled);
    actions_.dials.push_back({tunnel.dialled, tunnel.target.backend});
}

std::string Tunnels::request_of(const ProxiedClient& client, const Tunnel& tunnel, const HttpHead& head,
                                Now now) {
    return "GET " + tunnel.target.path + " HTTP/1.1\r\nHost: " + head.authority.text() +
           "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + fields_for_backend(head) +
           proxy_lines(client, tunnel.target, head, "prx_" + name_ + "-" + std::to_string(numbers_), random_,
                       now) +
           "\r\n";
}

// --- the client ---

void Tunnels::from_client(Session& session, std::string_view bytes) {
    const auto it = of_session_.find(session.number);
    Tunnel* tunnel = it == of_session_.end() ? nullptr : find(it->second);
    if (!tunnel) return;
    tunnel->out.text().append(bytes);
    counters_.tunnel_bytes_in.add(bytes.size());
    if (tunnel->out.view().size() > most_tunnelled_bytes) session.input_full = true;
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

void Tunnels::connected(uint64_t dialled, Now) {
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
    if (session.queue.bytes() > most_tunnelled_bytes) tunnel.paused = true;
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
    return tunnel ? tunnel->out.view() : std::string_view();
}

void Tunnels::written(uint64_t dialled, size_t bytes, Now) {
    Tunnel* tunnel = find(dialled);
    if (!tunnel) return;
    tunnel->out.written(bytes);
    if (!tunnel->out.view().empty()) return;
    Session* session = client_of(*tunnel);
    if (session && std::exchange(session->input_full, false)) actions_.to_read.push_back(session->id);
}

size_t Tunnels::held(const Session& session) const {
    const auto it = of_session_.find(session.number);
    const Tunnel* tunnel = it == of_session_.end() ? nullptr : find(it->second);
    return tunnel ? tunnel->out.held() + tunnel->head.capacity() : 0;
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
    if (tunnel.target.backend) event.with("backend", tunnel.target.backend->name);
    event.with("path", tunnel.target.path.substr(0, tunnel.target.path.find('?')));
    log_.tell(std::move(event), tunnel.target.backend ? tunnel.target.backend->name : "", "proxy", now);
}

}  // namespace wayleave
