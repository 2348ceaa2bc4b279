// From the first byte to the upgrade.
#include <algorithm>

#include "daemon/base/escape.h"
#include "daemon/session/gateway_impl.h"
#include "dsl/policy/describe.h"

namespace wayleave {
namespace {

bool is_get(const HttpHead& head) {
    return head.method == "GET" || head.method == "HEAD";
}

// RFC 9110 13.1.2 and 13.1.3. A date is compared as the text that it was given as: whoever has another one
// has another file.
bool is_known(const HttpHead& head, const StaticFile& file) {
    if (file.etag.empty()) return false;
    if (head.count("if-none-match") > 0)
        return list_has(head, "if-none-match", file.etag) || list_has(head, "if-none-match", "*") ||
               list_has(head, "if-none-match", "W/" + file.etag);
    return head.count("if-modified-since") == 1 && head.field("if-modified-since") == file.modified;
}

// What a page may send with a request (Fetch 4.8): what the protocol knows, and what this policy reads.
std::string allowed_headers(const dsl::Policy& policy, const dsl::Route& route) {
    std::vector<std::string_view> names = {"Authorization", "Cache-Control", "Content-Type", "Last-Event-ID",
                                           "Wayleave-Session"};
    const auto add = [&](const dsl::TokenSource& source) {
        const auto same = [&](std::string_view name) { return same_ignoring_case(name, source.name); };
        if (source.kind == dsl::SourceKind::header && std::none_of(names.begin(), names.end(), same))
            names.push_back(source.name);
    };
    for (const uint32_t token : route.auth)
        for (const dsl::TokenSource& source : policy.tokens[token].from) add(source);
    for (const dsl::InputDecl& input : route.inputs) add(input.from);
    std::string out;
    for (const std::string_view name : names) out.append(out.empty() ? "" : ", ").append(name);
    return out;
}

// What the sender of a plain request to a route's address, or the operator of the proxy before it, can do.
std::string why_no_upgrade(const HttpHead& head, const dsl::Route& route) {
    std::string out = "this address speaks WebSocket";
    if (head.count("upgrade") > 0 && head.http10)
        return out + ", which needs HTTP/1.1; in nginx: proxy_http_version 1.1";
    if (route.dialect == dsl::Dialect::native)
        out += ", and Server-Sent Events to a GET with Accept: text/event-stream";
    return out;
}

}  // namespace

void Gateway::Impl::read_head(Session& session, std::string_view bytes, Now now) {
    std::string& buffer = session.handshaking->bytes;
    buffer.append(bytes);
    if (session.awaiting && session.awaiting->question != 0) {
        if (buffer.size() <= session.handshaking->most_ahead) return;
        return refuse_request(
            session, 400,
            Rejection::of(Reason::bad_request, "too much was sent before the handshake was answered"), {},
            now);
    }
    while (session.state == Session::State::head && !session.last_bytes && !session.abort_listed) {
        if (session.post && !read_post(session, now)) return;
        if (buffer.empty()) return;
        HeadResult result = parse_head(buffer, HeadLimits{}, session.handshaking->scanned);
        if (std::holds_alternative<NeedMore>(result)) return;
        if (const auto* refusal = std::get_if<HeadRefusal>(&result)) {
            refuse_request(session, refusal->status,
                           Rejection::of(Reason::bad_request, std::string(refusal->reason)), {}, now);
            return reschedule(session, now);
        }
        const HttpHead& head = std::get<HttpHead>(result);
        const size_t size = head.size;
        const bool upgraded = answer(session, head, now);
        if (session.awaiting) return;
        if (!upgraded) {
            buffer.erase(0, size);
            continue;
        }
        // Bytes behind the head are frames already: a client need not wait for our answer to send them,
        // though it should.
        std::string rest = buffer.substr(size);
        session.handshaking.reset();
        if (!rest.empty()) read_frames(session, rest, now);
        return;
    }
}

// True when the connection speaks WebSocket from now on.
bool Gateway::Impl::answer(Session& session, const HttpHead& head, Now now) {
    session.handshaking->head_only = head.method == "HEAD";
    if (draining) {
        refuse_request(session, 503, Rejection::of(Reason::unavailable, "the server is stopping"), {}, now);
        return false;
    }
    const auto checked = check_upgrade(head);
    if (const auto* refusal = std::get_if<HandshakeRefusal>(&checked)) {
        if (refusal->not_upgrade && wants_stream(head)) return answer_stream(session, head, now);
        if (!refusal->not_upgrade || !wants_post(head)) return answer_request(session, head, *refusal, now);
        answer_post(session, head, now);
        return false;
    }
    const Upgrade& upgrade = std::get<Upgrade>(checked);
    // Nothing but this handshake comes on this connection, so from here on the client is the peer.
    const Origination client = client_of(session.peer, head, now);
    session.peer.ip = client.ip;
    session.peer.tls = client.tls;
    session.peer.unix_socket = client.unix_socket;
    auto admitted = admit_connection(session, session.peer, head, upgrade, AdmissionKind::route, "", now);
    if (!admitted) return false;
    open(session, std::move(*admitted), upgrade, now);
    return true;
}

std::optional<Admitted> Gateway::Impl::admit_connection(Session& session, const Peer& client,
                                                        const HttpHead& head, const Upgrade& upgrade,
                                                        AdmissionKind kind, const std::string& headers,
                                                        Now now) {
    std::optional<Resumed> resumed;
    if (session.awaiting) resumed.emplace(Resumed{std::move(session.awaiting->answers)});
    Admission admission = admit(*runtime_, limits, &bans, client, head, upgrade, session.number, now, kind,
                                resumed ? &*resumed : nullptr);
    if (auto* waiting = std::get_if<Waiting>(&admission)) {
        if (!session.awaiting) session.awaiting = std::make_unique<Awaiting>();
        if (resumed) session.awaiting->answers = std::move(resumed->answers);
        ask_about(session, std::move(waiting->question));
        return std::nullopt;
    }
    session.awaiting.reset();
    if (auto* turned = std::get_if<TurnedAway>(&admission)) {
        if (turned->judged) shadow_connect(session, *turned->route, turned->facts, turned->verdict, now);
        turn_away(session, head, std::move(*turned), headers, now);
        return std::nullopt;
    }
    return std::move(std::get<Admitted>(admission));
}

const dsl::Route* Gateway::Impl::route_of(const HttpHead& head) const {
    dsl::RouteMatch match;
    const bool known = runtime_->policy->router.find(head.authority.name, head.path, match);
    return known ? runtime_->policy->routes[match.route].get() : nullptr;
}

// A Range is not looked at, as any server may do (RFC 9110 14.2), and no answer offers ranges.
void Gateway::Impl::send_file(Session& session, const HttpHead& head, const StaticFile& file) {
    const bool keep = head.keep_alive && !head.chunked && head.content_length.value_or(0) == 0;
    const bool known = is_known(head, file);
    std::string headers = "X-Content-Type-Options: nosniff\r\n";
    if (!file.etag.empty()) headers += "ETag: " + file.etag + "\r\nLast-Modified: " + file.modified + "\r\n";
    session.queue.push(framed(http_response_head(known ? 304 : 200, file.content_type, file.body->size(),
                                                 headers, keep, "no-cache")));
    if (head.method == "GET" && !known) session.queue.push(file.body);
    session.last_bytes = !keep;
    session.opened_ms = session.last_heard_ms;  // the next request has a deadline of its own
    list_flush(session);
}

// A request that asks for no WebSocket, or asks wrongly. It is never upgraded.
bool Gateway::Impl::answer_request(Session& session, const HttpHead& head, const HandshakeRefusal& refusal,
                                   Now now) {
    counters.http_requests.add();
    const auto file =
        refusal.not_upgrade && is_get(head) ? runtime_->files.find(head.path) : runtime_->files.end();
    if (file != runtime_->files.end()) {
        send_file(session, head, file->second);
        return false;
    }
    if (refusal.not_upgrade && head.method == "OPTIONS" && answer_preflight(session, head, now)) return false;
    dsl::RouteMatch match;
    int status = refusal.status;
    std::string because(refusal.reason);
    if (refusal.not_upgrade) {
        const bool known = runtime_->policy->router.find(head.authority.name, head.path, match);
        status = known ? 426 : 404;
        because =
            known ? why_no_upgrade(head, *runtime_->policy->routes[match.route]) : "nothing has this address";
    }
    const Rejection rejection =
        Rejection::of(status == 404 ? Reason::unknown_route : Reason::bad_request, std::move(because));
    counters.refuse(rejection.reason);
    tell_of_request(session, head, rejection, now);
    std::string headers = status == 405 ? "Allow: GET\r\n" : "";
    if (refusal.version_hint || status == 426) headers += "Sec-WebSocket-Version: 13\r\n";
    send_last(session, problem_response(status, to_string(rejection.reason), rejection, false, headers));
    return false;
}

Origination Gateway::Impl::client_of(const Peer& peer, const HttpHead& head, Now now) {
    const Origination client =
        client_behind({peer.ip, peer.tls, peer.unix_socket}, head, runtime_->settings.proxies);
    if (client.unknown) {
        counters.unknown_clients.add();
        tell_of_unknown_client(peer, head, now);
    }
    return client;
}

// What a browser asks before a page of another origin may send a request (Fetch 4.8). True if it was
// answered.
bool Gateway::Impl::answer_preflight(Session& session, const HttpHead& head, Now now) {
    if (head.count("origin") != 1 || head.count("access-control-request-method") != 1) return false;
    const dsl::Route* route = route_of(head);
    if (!route) return false;
    std::string headers = cors_headers(*route, head.field("origin"), head.authority.text());
    if (headers.empty()) {
        Rejection rejection = Rejection::of(Reason::forbidden, "pages of this origin may not connect here");
        refused(runtime_->policy.get(), route, rejection);
        tell_of_request(session, head, rejection, now);
        send_last(session, problem_response(403, "forbidden", rejection, route->detail, ""));
        return true;
    }
    headers += "Access-Control-Allow-Methods: GET, POST\r\nAccess-Control-Allow-Headers: " +
               allowed_headers(*runtime_->policy, *route) + "\r\nAccess-Control-Max-Age: 600\r\n";
    send_last(session, http_response(204, "", "", headers, false));
    return true;
}

void Gateway::Impl::turn_away(Session& session, const HttpHead& head, TurnedAway turned,
                              const std::string& headers, Now now) {
    Rejection& rejection = turned.rejection;
    refused(runtime_->policy.get(), turned.route, rejection);
    tell_turned_away(session, head, turned, now);
    if (turned.route && !turned.foreign) {
        dsl::Request request;
        request.facts = &turned.facts;
        request.connection = session.number;
        (void)count_refusal(*runtime_->policy, *turned.route, request,
                            {turned.identified, turned.user, turned.nameless}, rejection.reason, now);
    }
    const dsl::Outcome outcome = outcome_of(turned.route, rejection, dsl::Phase::handshake);
    if (outcome.kind == dsl::OutcomeKind::drop) return abort(session);
    const bool named = outcome.kind == dsl::OutcomeKind::error && !outcome.name.empty();
    const int status =
        outcome.kind == dsl::OutcomeKind::status ? outcome.code : default_status(rejection.reason);
    send_last(session,
              problem_response(status, named ? std::string_view(outcome.name) : to_string(rejection.reason),
                               rejection, turned.route && turned.route->detail, headers));
}

// A connection is open, whatever it speaks.
void Gateway::Impl::activate(Session& session, Admitted& admitted, Now now) {
    if (admitted.expired_alias) counters.expired_aliases.add();
    counters.connections.set(counters.connections.get() + 1);
    session.state = Session::State::open;
    session.opened_ms = session.last_heard_ms = session.last_ping_ms = now.steady_ms;
    session.expires_ms = admitted.expires_ms;
    session.token = admitted.token;
    session.key = admitted.key;
    session.user = admitted.user;
    session.nameless = admitted.nameless;
    session.binding = bind(*admitted.route, admitted.answers);
    shadow_connect(session, *admitted.route, admitted.facts, admitted.verdict, now);
    session.facts = std::move(admitted.facts);
    session.entered = std::move(admitted.entered);
    for (Seat& seat : admitted.connection_slots) {
        broker.take_seat(seat.key, seat.most, {worker_, pack(session.id), session.number});
        session.connection_slots.push_back(std::move(seat.key));
    }
    tell_opened(session, admitted, now);
}

void Gateway::Impl::open(Session& session, Admitted admitted, const Upgrade& upgrade, Now now) {
    counters.handshakes.add();
    activate(session, admitted, now);
    const std::string extensions = agree_on_compression(session, *admitted.route, upgrade);
    session.queue.push(framed(switching_protocols(accept_key(upgrade.key), admitted.protocol, extensions)));
    list_flush(session);
    if (admitted.route->dialect == dsl::Dialect::native) {
        if (session.token != 0) by_number_.insert_or_assign(session.number, session.id);
        join(session, admitted, now);
    }
    reschedule(session, now);
}

// The extensions that are answered.
std::string Gateway::Impl::agree_on_compression(Session& session, const dsl::Route& route,
                                                const Upgrade& upgrade) {
    if (!route.compression || !upgrade.deflate) return {};
    if (!inflater_) inflater_ = std::make_unique<Inflater>();
    if (!deflater_) deflater_ = std::make_unique<Deflater>();
    session.deflate_bits = upgrade.deflate->window_bits;
    counters.compressed_handshakes.add();
    return deflate_answer(*upgrade.deflate);
}

// The client cannot mend it, and nothing else shows that a user has no mailbox.
void Gateway::Impl::tell_of_no_channel(const Session& session, const dsl::Route& route, const dsl::Join& join,
                                       Now now) {
    const std::string channel = dsl::Words{route}.pattern(join.channel);
    Event event =
        about(session, "not-joined",
              "a channel is not joined: a value in it is empty, or the name would have more than 255 "
              "bytes");
    event.with("action", "join").with("target", channel).with("rule", route.place);
    events_.tell(std::move(event), session.user.empty() ? session.peer.ip.text() : session.user, channel,
                 now);
}

void Gateway::Impl::join(Session& session, const Admitted& admitted, Now now) {
    const dsl::Route& route = *admitted.route;
    dsl::Request request;
    request.facts = &session.facts;
    request.connection = session.number;
    const auto& residual = session.binding->residual;
    std::vector<Hello::Joined> joined;
    for (const dsl::Join& join : route.joins) {
        if (dsl::decide(route.program, residual.nodes, residual.roots[join.condition], request) == dsl::never)
            continue;
        if (session.subscriptions.size() >= route.max_subscriptions) break;
        if (!dsl::build_channel(route.program, join.channel, request, channel_)) {
            tell_of_no_channel(session, route, join, now);
            continue;
        }
        if (Channel* entered = enter_channel(session, channel_, true, now))
            joined.push_back(begin_joined(session, *entered, now));
    }
    Hello hello{session.number, session.shown_user(), route.ping_every_ms, route.max_message,
                std::move(joined)};
    send_text(session, hello_text(hello), now, dsl::Lane::normal, Word::beginning);
    session.queue.commit();  // nothing overtakes it
    replay_some(session, now);
}

}  // namespace wayleave
