#include "daemon/session/http_front.h"

#include <algorithm>

#include "daemon/base/escape.h"
#include "daemon/message/sse.h"
#include "daemon/session/api_request.h"
#include "daemon/session/target_readings.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

constexpr size_t most_answers = 256 << 10;  // that wait for a client before it is answered more

bool is_get(const HttpHead& head) {
    return head.method == "GET" || head.method == "HEAD";
}

// RFC 9110 12.5.3, as far as there is something to choose.
bool takes_gzip(const HttpHead& head) {
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "accept-encoding")) continue;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);) {
            const size_t end = std::min(part.find(';'), part.size());
            if (!same_ignoring_case(trim(part.substr(0, end)), "gzip")) continue;
            const std::string_view weight = part.substr(end);
            const size_t q = weight.find("q=");
            return q == std::string_view::npos ||
                   weight.find_first_of("123456789", q) != std::string_view::npos;
        }
    }
    return false;
}

// RFC 9110 13.1.2 and 13.1.3. A date is compared as the text that it was given as: whoever has another one
// has another file.
bool is_known(const HttpHead& head, const StaticFile& file) {
    if (file.etag.empty()) return false;
    if (head.count("if-none-match") > 0)
        return list_has(head, "if-none-match", file.etag) || list_has(head, "if-none-match", "*") ||
               list_has(head, "if-none-match", "W/" + file.etag);
    return !file.modified.empty() && head.count("if-modified-since") == 1 &&
           head.field("if-modified-since") == file.modified;
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
    if (route.dialect == dsl::Dialect::native && route.proxies.empty())
        out += ", and Server-Sent Events to a GET with Accept: text/event-stream";
    return out;
}

bool accepts_events(const HttpHead& head) {
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "accept")) continue;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);) {
            if (same_ignoring_case(trim(part.substr(0, part.find(';'))), "text/event-stream")) return true;
        }
    }
    return false;
}

// "https://app.example.com" of "https://app.example.com/page"; empty if it is no address of the web.
std::string_view origin_of_address(std::string_view address) {
    if (!address.starts_with("https://") && !address.starts_with("http://")) return {};
    return address.substr(0, address.find_first_of("/?#", address.find("//") + 2));
}

// A browser sends no Origin with a GET to the page's own host. No page can choose its Referer or
// Sec-Fetch-Site, so they say the same; the first also tells whether the page came by TLS, which a proxy may
// keep from us.
std::string origin_of(const HttpHead& head, const dsl::Route& route, bool tls) {
    if (head.count("origin") > 0) return std::string(head.field("origin"));
    if (head.count("referer") == 1) return std::string(origin_of_address(head.field("referer")));
    if (head.count("sec-fetch-site") != 1 || head.field("sec-fetch-site") != "same-origin") return {};
    const std::string secure = "https://" + head.authority.text();
    if (tls || route.origins.allow(secure, true, head.authority.text())) return secure;
    return "http://" + head.authority.text();
}

}  // namespace

HttpFront::HttpFront(const Bindings& bindings, LimitTable& limits, HttpAdmission& admission, PostFront& posts,
                     ApiFront& api, ProxiedRequests& proxied, Opening& opening, FrameReader& frames,
                     Deadlines& deadlines, ConnectionLog& log, Outbox& outbox, Counters& counters)
    : bindings_(bindings),
      limits_(limits),
      admission_(admission),
      posts_(posts),
      api_(api),
      proxied_(proxied),
      opening_(opening),
      frames_(frames),
      deadlines_(deadlines),
      log_(log),
      outbox_(outbox),
      counters_(counters) {}

void HttpFront::read(Session& session, std::string_view bytes, Now now) {
    // What comes behind the last answer is not asked about again.
    if (session.last_bytes || session.abort_listed) return;
    std::string& buffer = session.handshaking->bytes;
    if (session.handshaking->kept_open && buffer.empty() && !bytes.empty()) {
        session.handshaking->kept_open = false;
        session.opened_ms = now.steady_ms;
        deadlines_.reschedule(session, now);
    }
    buffer.append(bytes);
    if (session.awaiting && session.awaiting->question != 0) {
        if (buffer.size() <= session.handshaking->most_ahead) return;
        if (session.handshaking->may_pause) {
            session.input_full = true;
            return;
        }
        return admission_.refuse_request(
            session, 400,
            Rejection::of(Reason::bad_request, "too much was sent before the handshake was answered"), {},
            now);
    }
    while (session.state == Session::State::head && !session.last_bytes && !session.abort_listed) {
        if (session.post && !posts_.read_body(session, now)) return;
        if (session.handshaking->api && !api_.read_body(session, now)) return;
        if (session.handshaking->passing_silence_ms > 0) return proxied_.read_body(session, now);
        if (buffer.empty()) return;
        // A client that asks and does not read holds no more of our memory than this.
        if (session.queue.bytes() > most_answers) {
            if (buffer.size() <= session.handshaking->most_ahead) return;
            return admission_.refuse_request(
                session, 400,
                Rejection::of(Reason::bad_request, "too much was asked before the answers were read"), {},
                now);
        }
        HeadResult result = parse_head(buffer, {.passes_on = true}, session.handshaking->scanned);
        if (std::holds_alternative<NeedMore>(result)) return;
        if (const auto* refusal = std::get_if<HeadRefusal>(&result)) {
            admission_.refuse_request(session, refusal->status,
                                      Rejection::of(Reason::bad_request, std::string(refusal->reason)), {},
                                      now);
            return deadlines_.reschedule(session, now);
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
        if (!rest.empty()) frames_.read(session, rest, now);
        return;
    }
}

// True when the connection speaks WebSocket from now on.
bool HttpFront::answer(Session& session, const HttpHead& head, Now now) {
    session.handshaking->head_only = head.method == "HEAD";
    if (stopping_) {
        admission_.refuse_request(session, 503, Rejection::of(Reason::unavailable, "the server is stopping"),
                                  {}, now);
        return false;
    }
    if (const std::string_view because = why_target_is_refused(session, head); !because.empty()) {
        admission_.refuse_request(session, head, 400,
                                  Rejection::of(Reason::bad_request, std::string(because)), {}, now);
        return false;
    }
    const auto checked = check_upgrade(head);
    if (const auto* refusal = std::get_if<HandshakeRefusal>(&checked)) {
        if (refusal->not_upgrade && session.peer.serves_api && api_.wants(head)) {
            api_.answer(session, head, now);
            return false;
        }
        if (!session.peer.serves_clients) {
            admission_.refuse_request(
                session, head, 404,
                Rejection::of(Reason::unknown_route,
                              "this listener serves the application's own servers alone"),
                "", now);
            return false;
        }
        if (refusal->not_upgrade && wants_stream(head)) return answer_stream(session, head, now);
        if (refusal->not_upgrade && !is_file(head) && proxied_.wants(head)) {
            counters_.http_requests.add();
            proxied_.begin(session, head, now);
            return false;
        }
        if (!refusal->not_upgrade || !posts_.wants(head)) {
            answer_request(session, head, *refusal, now);
        } else {
            posts_.answer(session, head, now);
        }
        return false;
    }
    const Upgrade& upgrade = std::get<Upgrade>(checked);
    if (!session.peer.serves_clients) {
        admission_.refuse_request(
            session, head, 404,
            Rejection::of(Reason::unknown_route, "this listener serves the application's own servers alone"),
            "", now);
        return false;
    }
    // Nothing but this handshake comes on this connection, so from here on the client is the peer.
    const Origination client = admission_.client_of(session.peer, head, now);
    session.peer.ip = client.ip;
    session.peer.tls = client.tls;
    session.peer.unix_socket = client.unix_socket;
    auto admitted =
        admission_.admit_connection(session, session.peer, head, upgrade, AdmissionKind::route, "", now);
    if (!admitted) return false;
    opening_.open(session, std::move(*admitted), head, upgrade, now);
    return true;
}

// An api has its addresses for itself.
std::string_view HttpFront::why_target_is_refused(const Session& session, const HttpHead& head) const {
    if (session.peer.serves_api && api_.wants(head))
        return head.path_doubt.empty() ? head.query_doubt : head.path_doubt;
    return wayleave::why_target_is_refused(bindings_.policy(), head);
}

bool HttpFront::is_file(const HttpHead& head) const {
    return is_get(head) && bindings_.runtime().files.contains(head.path);
}

// A Range is not looked at, as any server may do (RFC 9110 14.2), and no answer offers ranges.
void HttpFront::send_file(Session& session, const HttpHead& head, const StaticFile& found) {
    const StaticFile& file = found.gzipped && takes_gzip(head) ? *found.gzipped : found;
    const bool keep = head.keep_alive && !head.chunked && head.content_length.value_or(0) == 0;
    const bool known = is_known(head, file);
    std::string headers = "X-Content-Type-Options: nosniff\r\n" + file.headers;
    if (!file.etag.empty()) headers += "ETag: " + file.etag + "\r\n";
    if (!file.modified.empty()) headers += "Last-Modified: " + file.modified + "\r\n";
    outbox_.queue(session, framed(http_response_head(known ? 304 : 200, file.content_type, file.body->size(),
                                                     headers, keep, "no-cache")));
    if (head.method == "GET" && !known) outbox_.queue(session, file.body);
    session.last_bytes = !keep;
    session.opened_ms = session.last_heard_ms;  // the next request has a deadline of its own
}

// A request that asks for no WebSocket, or asks wrongly. It is never upgraded.
void HttpFront::answer_request(Session& session, const HttpHead& head, const HandshakeRefusal& refusal,
                               Now now) {
    counters_.http_requests.add();
    if (refusal.not_upgrade && is_file(head))
        return send_file(session, head, bindings_.runtime().files.at(head.path));
    if (refusal.not_upgrade && head.method == "OPTIONS" && answer_preflight(session, head, now)) return;
    int status = refusal.status;
    std::string because(refusal.reason);
    if (refusal.not_upgrade) {
        const dsl::Route* route = route_of(bindings_.policy(), head);
        status = route ? 426 : 404;
        because = route ? why_no_upgrade(head, *route) : "nothing has this address";
    }
    const Reason reason = status == 404 ? Reason::unknown_route : Reason::bad_request;
    std::string headers = status == 405 ? "Allow: GET\r\n" : "";
    if (refusal.version_hint || status == 426) headers += "Sec-WebSocket-Version: 13\r\n";
    admission_.refuse_request(session, head, status, Rejection::of(reason, std::move(because)), headers, now);
}

// What a browser asks before a page of another origin may send a request (Fetch 4.8). True if it was
// answered.
bool HttpFront::answer_preflight(Session& session, const HttpHead& head, Now now) {
    if (head.count("origin") != 1 || head.count("access-control-request-method") != 1) return false;
    const dsl::Route* route = route_of(bindings_.policy(), head);
    if (!route) return false;
    std::string headers = admission_.cors_headers(*route, head.field("origin"), head.authority.text());
    if (headers.empty()) {
        Rejection rejection = Rejection::of(Reason::forbidden, "pages of this origin may not connect here");
        log_.refused(&bindings_.policy(), route, rejection);
        log_.tell_of_request(session, head, rejection, now);
        outbox_.send_last(session, problem_response(403, "forbidden", rejection, route->detail, ""));
        return true;
    }
    headers += "Access-Control-Allow-Methods: GET, POST\r\nAccess-Control-Allow-Headers: " +
               allowed_headers(bindings_.policy(), *route) + "\r\nAccess-Control-Max-Age: 600\r\n";
    outbox_.send_last(session, http_response(204, "", "", headers, false));
    return true;
}

bool HttpFront::wants_stream(const HttpHead& head) const {
    if ((head.method != "GET" && head.method != "HEAD") || !accepts_events(head)) return false;
    const dsl::Route* route = route_of(bindings_.policy(), head);
    return route && route->dialect == dsl::Dialect::native && route->proxies.empty();
}

// True when the connection is a stream from now on.
bool HttpFront::answer_stream(Session& session, const HttpHead& head, Now now) {
    if (head.count("origin") > 1 || head.chunked || head.content_length.value_or(0) > 0) {
        admission_.refuse_request(
            session, head, 400,
            Rejection::of(Reason::bad_request, "a stream is asked for with one Origin and no body"), "", now);
        return false;
    }
    const dsl::Route& route = *route_of(bindings_.policy(), head);
    // As with a WebSocket, nothing else comes on this connection.
    const Origination client = admission_.client_of(session.peer, head, now);
    session.peer.ip = client.ip;
    session.peer.tls = client.tls;
    session.peer.unix_socket = client.unix_socket;
    const std::string origin = origin_of(head, route, session.peer.tls);
    const std::string headers = admission_.cors_headers(route, head.field("origin"), head.authority.text());
    if (last_event_id(head) == sse_farewell_id) {
        counters_.http_requests.add();
        outbox_.send_last(session, http_response(204, "", "", headers, false));
        return false;
    }
    Upgrade upgrade;
    upgrade.origin = origin;
    upgrade.has_origin = head.count("origin") > 0 || !origin.empty();
    auto admitted =
        admission_.admit_connection(session, session.peer, head, upgrade, AdmissionKind::route, headers, now);
    if (!admitted) return false;
    if (head.method == "HEAD") {
        for (const std::string& key : admitted->entered) limits_.leave(key);
        counters_.http_requests.add();
        outbox_.send_last(session, sse_response_head(headers));
        return false;
    }
    opening_.open_stream(session, std::move(*admitted), head, headers, now);
    return true;
}

void HttpFront::go_on(Session& session, Now now) {
    if (session.handshaking && !session.handshaking->bytes.empty()) read(session, {}, now);
}

bool HttpFront::is_working(const Session& session) {
    if (session.state != Session::State::head) return false;
    return (session.post && session.post->sent) || session.handshaking->passing_silence_ms > 0 ||
           (session.handshaking->api && session.handshaking->api->sent);
}

bool HttpFront::owes_answer(const Session& session) {
    if (session.state != Session::State::head || session.abort_listed) return false;
    return session.awaiting || is_working(session) || !session.queue.empty();
}

bool HttpFront::finished(Session& session) {
    if (!owes_answer(session)) return false;
    session.handshaking->said_all = !session.input_full;  // else more is to be read
    const bool passing = session.handshaking->passing_silence_ms > 0;
    return !passing || proxied_.client_finished(session);
}

void HttpFront::expire(Session& session, Now now) {
    if (session.handshaking->passing_silence_ms > 0) return proxied_.late(session, now);
    const bool nothing_came =
        session.handshaking->bytes.empty() && !session.post && !session.handshaking->api;
    if (nothing_came || session.last_bytes || !session.queue.empty()) return outbox_.abort(session);
    if (session.post && session.post->sent) return posts_.late(session, now);
    if (session.handshaking->api) return api_.late(session, now);
    const bool asks = session.awaiting != nullptr;
    const Reason reason = asks ? Reason::unavailable : Reason::idle;
    admission_.refuse_request(session, default_status(reason),
                              Rejection::of(reason, asks ? "nobody said in time whether the token is good"
                                                         : "the request was not complete in time"),
                              {}, now);
    session.close_by_ms = now.steady_ms + bindings_.settings().close_timeout_ms;
    deadlines_.reschedule(session, now);
}

}  // namespace wayleave
