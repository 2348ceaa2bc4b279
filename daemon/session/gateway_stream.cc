// Server-Sent Events: the same route, door and channels as a WebSocket's, for clients that only hear.
#include <algorithm>

#include "daemon/base/json_value.h"
#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

constexpr size_t longest_name_as_id = 120;  // of a channel; `$id` is bounded

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

// The header of a browser, or the parameter of a program that makes its own requests.
std::optional<std::string> last_id(const HttpHead& head) {
    if (head.count("last-event-id") > 0) return std::string(head.field("last-event-id"));
    return query_value(head.query, "last_event_id");
}

uint64_t mark_of(const Channel& channel) {
    if (channel.mark == 0) channel.mark = channel_mark(channel.name);
    return channel.mark;
}

}  // namespace

// --- opening ---

bool Gateway::Impl::wants_stream(const HttpHead& head) const {
    if ((head.method != "GET" && head.method != "HEAD") || !accepts_events(head)) return false;
    const dsl::Route* route = route_of(head);
    return route && route->dialect == dsl::Dialect::native;
}

// What a browser needs to show the answer to a page of another origin (Fetch 3.2); empty where it may not.
std::string Gateway::Impl::cors_headers(const dsl::Route& route, std::string_view origin,
                                        std::string_view host) const {
    if (origin.empty() || !route.origins.allow(origin, true, host)) return {};
    const bool cookies = std::any_of(route.auth.begin(), route.auth.end(), [&](uint32_t token) {
        const auto& from = runtime_->policy->tokens[token].from;
        return std::any_of(from.begin(), from.end(), [](const dsl::TokenSource& source) {
            return source.kind == dsl::SourceKind::cookie;
        });
    });
    std::string out = "Access-Control-Allow-Origin: " + std::string(origin) + "\r\nVary: Origin\r\n";
    if (cookies) out += "Access-Control-Allow-Credentials: true\r\n";
    return out;
}

// True when the connection is a stream from now on.
bool Gateway::Impl::answer_stream(Session& session, const HttpHead& head, Now now) {
    if (head.count("origin") > 1 || head.chunked || head.content_length.value_or(0) > 0) {
        const Rejection rejection =
            Rejection::of(Reason::bad_request, "a stream is asked for with one Origin and no body");
        counters.refuse(rejection.reason);
        tell_of_request(session, head, rejection, now);
        send_last(session, problem_response(400, "bad_request", rejection, false, ""));
        return false;
    }
    const dsl::Route& route = *route_of(head);
    // As with a WebSocket, nothing else comes on this connection.
    const Origination client = client_of(session.peer, head, now);
    session.peer.ip = client.ip;
    session.peer.tls = client.tls;
    session.peer.unix_socket = client.unix_socket;
    const std::string origin = origin_of(head, route, session.peer.tls);
    const std::string headers = cors_headers(route, head.field("origin"), head.authority.text());
    if (last_id(head) == sse_farewell_id) {
        counters.http_requests.add();
        send_last(session, http_response(204, "", "", headers, false));
        return false;
    }
    Upgrade upgrade;
    upgrade.origin = origin;
    upgrade.has_origin = head.count("origin") > 0 || !origin.empty();
    auto admitted =
        admit_connection(session, session.peer, head, upgrade, AdmissionKind::route, headers, now);
    if (!admitted) return false;
    if (head.method == "HEAD") {
        for (const std::string& key : admitted->entered) limits.leave(key);
        counters.http_requests.add();
        send_last(session, sse_response_head(headers));
        return false;
    }
    open_stream(session, std::move(*admitted), head, headers, now);
    return true;
}

void Gateway::Impl::open_stream(Session& session, Admitted admitted, const HttpHead& head,
                                const std::string& headers, Now now) {
    session.stream = true;
    counters.streams_opened.add();
    counters.streams.set(counters.streams.get() + 1);
    by_number_.insert_or_assign(session.number, session.id);
    // What is not ours or malformed is as good as none, but its sender has been here: it is told of the gap.
    session.events = std::make_unique<EventStream>();
    if (const auto id = last_id(head))
        session.events->resumed =
            std::make_unique<StreamPositions>(StreamPositions::parse(*id).value_or(StreamPositions()));
    const std::vector<std::string> channels = query_values(head.query, "channel");
    activate(session, admitted, now);
    const auto retry_ms = static_cast<int64_t>(reconnect_min_ms + static_cast<int64_t>(numbers_() % 1500));
    session.queue.push(framed(sse_response_head(headers) + sse_retry(retry_ms)));
    list_flush(session);
    join(session, admitted, now);
    for (const std::string& channel : channels) subscribe_stream(session, channel, now);
    resume_posted(session, now);
    session.events->resumed.reset();
    reschedule(session, now);
}

// A browser comes again to the same address, which knows nothing of what was subscribed by POST.
void Gateway::Impl::resume_posted(Session& session, Now now) {
    if (!session.events->resumed) return;
    const std::vector<std::string> names = session.events->resumed->names();
    for (const std::string& name : names) {
        if (hub_.is_subscribed(session, name)) continue;
        subscribe_stream(session, name, now);
        if (hub_.is_subscribed(session, name)) session.events->posted.push_back(name);
    }
}

// The answer to a POST is no event, so that its channel would not be in an id before the next one. An id
// alone is taken, and shown to nobody (WHATWG HTML 9.2.6).
void Gateway::Impl::send_event_id(Session& session, Now now) {
    const std::string id = stream_id(session, nullptr);
    if (!id.empty()) send(session, framed(id + "\n"), now);
}

// As `$subscribe` does, with what the id says as `since`. The client has said one thing only, so this is no
// message that a limit counts.
void Gateway::Impl::subscribe_stream(Session& session, const std::string& channel, Now now) {
    if (session.state != Session::State::open) return;  // one that was refused before has ended it
    std::string text = R"({"type":"$subscribe","channel":)";
    append_json(text, channel);
    if (channel.size() <= longest_name_as_id) {
        text += ",\"$id\":";
        append_json(text, channel);
    }
    if (const auto& resumed = session.events->resumed) {
        const Position since = resumed->find(channel_mark(channel)).value_or(Position{});
        text += ",\"since\":{\"epoch\":\"" + epoch_text(since.epoch) +
                "\",\"offset\":" + std::to_string(since.offset) + "}";
    }
    text += '}';
    const auto parsed = parser_.parse(text);
    if (!parsed)
        return reject(session, {std::string(parser_.id())}, bad_message(std::string(parsed.error())), now);
    dsl::Request request;
    request.facts = &session.facts;
    request.connection = session.number;
    request.subscriptions = static_cast<int64_t>(session.subscriptions.size());
    request.message_type = parsed.value()->type;
    subscribe(session, *parsed.value(), {std::string(parser_.id())}, request, now);
}

// Where a joined channel goes on. Who has a cursor there needs no id.
std::optional<Position> Gateway::Impl::resume_from(const Session& session, const Channel& channel,
                                                   bool by_cursor) {
    if (!session.events || !session.events->resumed) return std::nullopt;
    const auto known = session.events->resumed->find(mark_of(channel));
    return known || by_cursor ? known : std::optional(Position{});
}

// --- what is sent ---

std::string Gateway::Impl::stream_id(Session& session, const Message* sent) const {
    StreamPositions positions;
    if (sent) {
        if (const Channel* channel = hub_.find(sent->channel))
            positions.add(mark_of(*channel), sent->position);
    }
    for (const std::string& name : session.events->posted) {
        if (!positions.add_name(name)) break;
    }
    for (const Channel* each : session.events->numbered) {
        const Channel& channel = *each;
        const Subscriber& subscriber = *hub_.subscriber(session, channel);
        Position position{channel.seen.epoch, subscriber.offset};
        if (subscriber.offset == Subscriber::catching_up) {
            const auto replay = std::find_if(session.replays.begin(), session.replays.end(),
                                             [&](const Replay& one) { return one.channel == &channel; });
            if (replay == session.replays.end()) continue;
            position = replay->announced ? Position{replay->epoch, replay->after}
                                         : replay->since.value_or(Position{});
        }
        const bool wanted = position.epoch != 0 && !(sent && sent->channel == channel.name);
        if (wanted && !positions.add(mark_of(channel), position)) break;
    }
    return positions.empty() ? "" : sse_id(positions.id());
}

void Gateway::Impl::send_event_text(Session& session, std::string_view text, Word word, Now now) {
    const std::string id = word == Word::beginning ? stream_id(session, nullptr) : "";
    send(session, framed(id + sse_event(text)), now);
}

// The id is this stream's own, and goes before what all share. Where messages may be left out for a slow
// reader, the two are one frame, or one of them could go without the other.
void Gateway::Impl::send_event(Session& session, const Publication& publication,
                               const dsl::ChannelRules& rules, Now now) {
    counters.stream_events.add();
    const Frame& event = publication->frame.event();
    if (publication->position.epoch == 0) return send_droppable(session, event, rules, now);
    std::string id = stream_id(session, publication.get());
    const dsl::SlowConsumer slow = rules.slow.value_or(session.binding->route->slow_consumer);
    if (slow != dsl::SlowConsumer::close) return send_droppable(session, framed(id + *event), rules, now);
    send(session, framed(std::move(id)), now);
    send(session, event, now);
}

// --- the end ---

// A browser comes again whatever is said, unless it is refused at the door. A token that has run out is
// refused there, or has been renewed.
Frame Gateway::Impl::last_event(uint16_t code, std::string_view bye, int64_t reconnect_ms) {
    std::string out;
    if (reconnect_ms >= 0) out = sse_retry(reconnect_ms);
    if (reconnect_ms < 0 && code != default_close(Reason::expired)) out = sse_id(sse_farewell_id);
    return framed(out + sse_event(bye));
}

}  // namespace wayleave
