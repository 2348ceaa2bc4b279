#include "daemon/session/post_front.h"

#include <algorithm>
#include <utility>

#include "daemon/session/native.h"
#include "dsl/text/text.h"

namespace wayleave {
namespace {

bool is_utf8(std::string_view charset) {
    return same_ignoring_case(charset, "utf-8") || same_ignoring_case(charset, "\"utf-8\"") ||
           same_ignoring_case(charset, "utf8") || same_ignoring_case(charset, "us-ascii");
}

// Why a body is not read; null: it is.
const char* why_unread(const HttpHead& head) {
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "content-encoding") || field.value.empty()) continue;
        if (!same_ignoring_case(field.value, "identity")) return "a message comes without Content-Encoding";
    }
    std::string_view rest = head.field("content-type");
    std::string_view part;
    bool more = true;
    (void)next_part(rest, ';', more, part);
    if (head.count("content-type") != 1 || !same_ignoring_case(part, "application/json"))
        return "a message is application/json";
    while (next_part(rest, ';', more, part)) {
        const size_t equals = std::min(part.find('='), part.size());
        if (!same_ignoring_case(part.substr(0, equals), "charset")) continue;
        if (!is_utf8(part.substr(std::min(equals + 1, part.size()))))
            return "a message has the charset UTF-8";
    }
    return nullptr;
}

}  // namespace

PostFront::PostFront(uint32_t worker, const Bindings& bindings, HttpAdmission& admission,
                     Deadlines& deadlines, std::vector<RelayedMessage>& relayed, Outbox& outbox,
                     Counters& counters)
    : worker_(worker),
      bindings_(bindings),
      admission_(admission),
      deadlines_(deadlines),
      relayed_(relayed),
      outbox_(outbox),
      counters_(counters) {}

bool PostFront::wants(const HttpHead& head) const {
    if (head.method != "POST" || head.count("wayleave-session") == 0) return false;
    const dsl::Route* route = route_of(bindings_.policy(), head);
    return route && route->dialect == dsl::Dialect::native && route->proxies.empty();
}

void PostFront::refuse(Session& session, int status, std::string because, const std::string& headers,
                       Now now) {
    const Reason reason = status == 413 ? Reason::too_big : Reason::bad_request;
    admission_.refuse_request(session, status, Rejection::of(reason, std::move(because)), headers, now);
    session.post.reset();
}

// What can be refused by the head is refused before the body comes.
void PostFront::answer(Session& session, const HttpHead& head, Now now) {
    const dsl::Route& route = *route_of(bindings_.policy(), head);
    const std::string headers = admission_.cors_headers(route, head.field("origin"), head.authority.text());
    const auto refuse = [&](int status, const char* because) {
        const Reason reason = status == 413 ? Reason::too_big : Reason::bad_request;
        admission_.refuse_request(session, head, status, Rejection::of(reason, because), headers, now);
    };
    const auto target = parse_session(head.field("wayleave-session"));
    if (!target || head.count("wayleave-session") != 1)
        return refuse(400, "Wayleave-Session is the session of a `$hello`, once");
    if (head.count("origin") > 1) return refuse(400, "more than one Origin field");
    if (const char* unread = why_unread(head)) return refuse(415, unread);
    if (const auto wrong = check_body_head(head, true)) return refuse(wrong->status, wrong->because);
    if (head.content_length.value_or(0) > route.max_message)
        return refuse(413, "the body is larger than a message may be here");
    begin(session, head, *target, headers, now);
}

void PostFront::begin(Session& session, const HttpHead& head, uint64_t target, const std::string& headers,
                      Now now) {
    session.publishes = true;  // as far as can be known here
    session.handshaking->most_ahead =
        Handshaking{}.most_ahead + route_of(bindings_.policy(), head)->max_message;
    const auto [client, upgrade] = admission_.asking_of(session, head, now);
    auto admitted =
        admission_.admit_connection(session, client, head, upgrade, AdmissionKind::post, headers, now);
    if (!admitted) return;
    RelayedMessage relayed;
    relayed.session = target;
    relayed.route = admitted->route->name;
    relayed.user = admitted->user;
    relayed.has_token = admitted->token != 0;
    relayed.who = std::move(admitted->who);
    relayed.runtime = bindings_.shared();
    relayed.worker = worker_;
    relayed.from = session.id;
    relayed.number = ++posts_;
    session.post = std::make_unique<Post>(Post{BodyReader(head.content_length, admitted->route->max_message),
                                               std::move(relayed), headers, head.keep_alive});
    session.post->client = client.ip;
    session.post->path = head.path;
    if (!waits_for_continue(session, head)) return;
    outbox_.queue(session, framed("HTTP/1.1 100 Continue\r\n\r\n"));
}

bool PostFront::read_body(Session& session, Now now) {
    Post& post = *session.post;
    std::string& buffer = session.handshaking->bytes;
    if (post.sent) {
        if (buffer.size() > session.handshaking->most_ahead)
            refuse(session, 400, "too much was sent before the request was answered", post.headers, now);
        return false;
    }
    std::string_view rest = buffer;
    const BodyReader::State state = post.body.read(rest);
    buffer.erase(0, buffer.size() - rest.size());
    if (state == BodyReader::State::reading) return false;
    if (state == BodyReader::State::refused) {
        const std::string headers = post.headers;
        refuse(session, post.body.status(), std::string(post.body.reason()), headers, now);
        return false;
    }
    counters_.posts.add();
    post.relayed.message = post.body.body();
    post.sent = true;
    relayed_.push_back(std::move(post.relayed));
    session.post->relayed.number = relayed_.back().number;
    session.opened_ms = now.steady_ms;  // the answer has a deadline of its own
    return false;
}

bool PostFront::reply(Session& session, const RelayReply& answer, Now now) {
    if (!session.post || !session.post->sent || session.post->relayed.number != answer.number) return false;
    if (session.last_bytes || session.abort_listed) return false;
    if (answer.status == 0) {
        outbox_.abort(session);
        return false;
    }
    const auto post = std::move(session.post);
    if (stopping_) post->keep_alive = false;
    std::string response =
        http_response(answer.status, "application/json", answer.body,
                      post->headers + "X-Content-Type-Options: nosniff\r\n", post->keep_alive);
    if (!post->keep_alive) {
        outbox_.send_last(session, std::move(response));
        return false;
    }
    outbox_.queue(session, framed(std::move(response)));
    session.opened_ms = now.steady_ms;
    return true;
}

void PostFront::late(Session& session, Now now) {
    const std::string headers = session.post->headers;
    admission_.refuse_request(session, 503,
                              Rejection::of(Reason::unavailable, "the message was not answered in time"),
                              headers, now);
    session.close_by_ms = now.steady_ms + bindings_.settings().close_timeout_ms;
    deadlines_.reschedule(session, now);
}

}  // namespace wayleave
