// What the client of a stream says: a POST whose body is one message for the stream's session. It is handled
// as if it had come over that connection, at the worker that has it, and the answer is the answer to the
// POST. To a WebSocket it can bring an `$auth`, whose token is a cookie that the page cannot read.
#include <algorithm>

#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

constexpr size_t most_errands = 16;  // of a session, whose answers are not there yet

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

// --- the request ---

bool Gateway::Impl::wants_post(const HttpHead& head) const {
    if (head.method != "POST" || head.count("wayleave-session") == 0) return false;
    const dsl::Route* route = route_of(head);
    return route && route->dialect == dsl::Dialect::native;
}

void Gateway::Impl::refuse_post(Session& session, int status, std::string because, const std::string& headers,
                                Now now) {
    const Reason reason = status == 413 ? Reason::too_big : Reason::bad_request;
    refuse_request(session, status, Rejection::of(reason, std::move(because)), headers, now);
    session.post.reset();
}

// What can be refused by the head is refused before the body comes.
void Gateway::Impl::answer_post(Session& session, const HttpHead& head, Now now) {
    const dsl::Route& route = *route_of(head);
    const std::string headers = cors_headers(route, head.field("origin"), head.authority.text());
    const auto refuse = [&](int status, const char* because) {
        const Rejection rejection =
            Rejection::of(status == 413 ? Reason::too_big : Reason::bad_request, because);
        counters.refuse(rejection.reason);
        tell_of_request(session, head, rejection, now);
        send_last(session, problem_response(status, to_string(rejection.reason), rejection, false, headers));
    };
    const auto target = parse_session(head.field("wayleave-session"));
    if (!target || head.count("wayleave-session") != 1)
        return refuse(400, "Wayleave-Session is the session of a `$hello`, once");
    if (head.count("origin") > 1) return refuse(400, "more than one Origin field");
    if (const char* unread = why_unread(head)) return refuse(415, unread);
    if (head.count("expect") > 0 && !same_ignoring_case(head.field("expect"), "100-continue"))
        return refuse(417, "the only expectation that is met is 100-continue");
    if (!head.chunked && !head.content_length) return refuse(411, "Content-Length is missing");
    if (head.content_length.value_or(0) > route.max_message)
        return refuse(413, "the body is larger than a message may be here");
    begin_post(session, head, *target, headers, now);
}

void Gateway::Impl::begin_post(Session& session, const HttpHead& head, uint64_t target,
                               const std::string& headers, Now now) {
    session.publishes = true;  // as far as can be known here
    session.handshaking->most_ahead = Handshaking{}.most_ahead + route_of(head)->max_message;
    // A proxy's connection carries the requests of many, so who asks is found for each.
    Peer client = session.peer;
    const Origination behind = client_of(client, head, now);
    client.ip = behind.ip;
    client.tls = behind.tls;
    Upgrade upgrade;
    upgrade.origin = head.field("origin");
    upgrade.has_origin = head.count("origin") > 0;
    auto admitted = admit_connection(session, client, head, upgrade, AdmissionKind::post, headers, now);
    if (!admitted) return;
    RelayedMessage relayed;
    relayed.session = target;
    relayed.route = admitted->route->name;
    relayed.user = admitted->user;
    relayed.has_token = admitted->token != 0;
    relayed.who = std::move(admitted->who);
    relayed.runtime = runtime_;
    relayed.worker = worker_;
    relayed.from = session.id;
    relayed.number = ++posts_;
    session.post = std::make_unique<Post>(Post{BodyReader(head.content_length, admitted->route->max_message),
                                               std::move(relayed), headers, head.keep_alive});
    session.post->client = client.ip;
    session.post->path = head.path;
    const bool waits =
        head.count("expect") > 0 && !head.http10 && session.handshaking->bytes.size() == head.size;
    if (!waits) return;
    session.queue.push(framed("HTTP/1.1 100 Continue\r\n\r\n"));
    list_flush(session);
}

// True if the request is done with, and another may follow.
bool Gateway::Impl::read_post(Session& session, Now now) {
    Post& post = *session.post;
    std::string& buffer = session.handshaking->bytes;
    if (post.sent) {
        if (buffer.size() > session.handshaking->most_ahead)
            refuse_post(session, 400, "too much was sent before the request was answered", post.headers, now);
        return false;
    }
    std::string_view rest = buffer;
    const BodyReader::State state = post.body.read(rest);
    buffer.erase(0, buffer.size() - rest.size());
    if (state == BodyReader::State::reading) return false;
    if (state == BodyReader::State::refused) {
        const std::string headers = post.headers;
        refuse_post(session, post.body.status(), std::string(post.body.reason()), headers, now);
        return false;
    }
    counters.posts.add();
    post.relayed.message = post.body.body();
    post.sent = true;
    actions.relayed.push_back(std::move(post.relayed));
    session.post->relayed.number = actions.relayed.back().number;
    session.opened_ms = now.steady_ms;  // the answer has a deadline of its own
    return false;
}

void Gateway::Impl::relay_reply(const RelayReply& answer, Now now) {
    Session* session = find(answer.to);
    if (!session || !session->post || !session->post->sent || session->post->relayed.number != answer.number)
        return;
    if (session->last_bytes || session->abort_listed) return;
    if (answer.status == 0) return abort(*session);
    const auto post = std::move(session->post);
    std::string response =
        http_response(answer.status, "application/json", answer.body,
                      post->headers + "X-Content-Type-Options: nosniff\r\n", post->keep_alive);
    if (!post->keep_alive) return send_last(*session, std::move(response));
    session->queue.push(framed(std::move(response)));
    list_flush(*session);
    session->opened_ms = now.steady_ms;
    read_head(*session, {}, now);
}

void Gateway::Impl::late_answer(Session& session, Now now) {
    const std::string headers = session.post->headers;
    refuse_request(session, 503, Rejection::of(Reason::unavailable, "the message was not answered in time"),
                   headers, now);
    session.close_by_ms = now.steady_ms + runtime_->settings.close_timeout_ms;
    reschedule(session, now);
}

// --- at the session's worker ---

void Gateway::Impl::answer_errand(const RelayedMessage& relayed, int status, std::string_view error,
                                  std::string_view because) {
    actions.replies.push_back(
        {relayed.worker, relayed.from, relayed.number, status,
         error_text({}, error, Rejection::of(Reason::forbidden, std::string(because)), false)});
}

// Who knows a session's id and is somebody else learns no more than who guesses one.
void Gateway::Impl::handle_relayed(const RelayedMessage& relayed, Now now) {
    const auto it = by_number_.find(relayed.session);
    Session* session = it == by_number_.end() ? nullptr : find(it->second);
    // The door has judged by the policy in force; the session may not have come to its turn yet.
    const bool same = session && session->state == Session::State::open && rebind(*session, now) &&
                      session->binding->route->name == relayed.route && session->user == relayed.user &&
                      (session->token != 0) == relayed.has_token;
    if (!same) {
        counters.refuse(Reason::unknown_route);
        return answer_errand(relayed, 404, "unknown_session",
                             "there is no such session of yours here; open the stream again");
    }
    const auto open = std::count_if(errands_.begin(), errands_.end(),
                                    [&](const auto& item) { return item.second.session == relayed.session; });
    if (static_cast<size_t>(open) >= most_errands) {
        counters.refuse(Reason::limited);
        return answer_errand(relayed, 429, to_string(Reason::limited),
                             "too many messages wait for their answers");
    }
    const uint64_t number = ++errands_begun_;
    errands_.emplace(number, Running{{relayed.worker, relayed.from, relayed.number, 200, {}},
                                     relayed.session,
                                     {},
                                     relayed.runtime == runtime_ ? relayed.who : nullptr});
    message(*session, relayed.message, false, number, now);
    end_marked(now);
    if (session->state != Session::State::open || session->abort_listed) end_errands(relayed.session);
}

// The status 0 is that of no answer at all.
void Gateway::Impl::answer_relayed(uint64_t relay, int status, std::string_view text) {
    const auto it = errands_.find(relay);
    if (it == errands_.end()) return;  // it was told of the session's end
    RelayReply answer = std::move(it->second.answer);
    errands_.erase(it);
    answer.status = status;
    answer.body = text;
    actions.replies.push_back(std::move(answer));
}

void Gateway::Impl::end_errands(uint64_t session) {
    absl::erase_if(errands_, [&](auto& item) {
        Running& running = item.second;
        if (running.session != session) return false;
        running.answer.status = 410;
        running.answer.body =
            error_text(running.id, "unknown_session",
                       Rejection::of(Reason::forbidden, "the session has ended; its stream says why"), false);
        actions.replies.push_back(std::move(running.answer));
        return true;
    });
}

}  // namespace wayleave
