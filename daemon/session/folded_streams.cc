// The clients' side: what they have, say and hear. See stream_upstreams.cc for the backends'.
#include "daemon/session/folded_streams.h"

#include <algorithm>

#include "daemon/session/native.h"

namespace wayleave {
namespace {

// Of one stream, until it is open.
constexpr size_t most_pending = 64;
constexpr size_t most_pending_bytes = 64 * 1024;
constexpr size_t most_pending_of_all = 16 << 20;
// Written by the client and not yet taken by the backend.
constexpr size_t most_unsent = 256 * 1024;
constexpr size_t longest_kept = 1024;  // of one field of the request

std::string line(std::string_view name, std::string_view value) {
    if (value.empty() || value.size() > longest_kept) return {};
    return std::string(name).append(": ").append(value).append("\r\n");
}

// What a page of the same host would send: a backend that checks origins has nothing else to check.
std::string origin_of(const Session& session, const HttpHead& head) {
    if (head.count("origin") == 1) return std::string(head.field("origin"));
    return (session.peer.tls ? "https://" : "http://") + head.authority.text();
}

Rejection not_open(std::string_view because) {
    return Rejection::of(Reason::unavailable, std::string(because));
}

}  // namespace

FoldedStreams::FoldedStreams(std::string name, size_t workers, Actions& actions, const SessionTable& sessions,
                             const Bindings& bindings, LimitTable& limits, const WebSocketFraming& web_socket,
                             Outbox& outbox, Replies& replies, ConnectionLog& log, Counters& counters,
                             std::mt19937_64& random)
    : name_(std::move(name)),
      workers_(workers),
      actions_(actions),
      sessions_(sessions),
      bindings_(bindings),
      limits_(limits),
      web_socket_(web_socket),
      outbox_(outbox),
      replies_(replies),
      log_(log),
      counters_(counters),
      random_(random) {}

// --- what a session has ---

void FoldedStreams::opened(Session& session, const HttpHead& head, const std::string& only, Now now) {
    if (session.binding->route->streams.empty()) return;
    auto fold = std::make_unique<Fold>();
    fold->host = head.authority.text();
    fold->only = only;
    fold->headers = line("Origin", origin_of(session, head)) + line("User-Agent", head.field("user-agent")) +
                    line("X-Forwarded-For", session.peer.ip.text()) +
                    line("X-Forwarded-Proto", session.peer.tls ? "https" : "http");
    for (const auto& backend : session.binding->runtime->backends) {
        for (const std::string& name : backend->pass_cookies) {
            const bool known = std::any_of(fold->cookies.begin(), fold->cookies.end(),
                                           [&](const auto& cookie) { return cookie.first == name; });
            const auto value = known ? std::nullopt : cookie_value(head, name);
            if (value && value->size() <= 4 * longest_kept) fold->cookies.emplace_back(name, *value);
        }
    }
    folds_.emplace(session.number, std::move(fold));
    rebound(session, now);
}

// A connection that had no streams when it was opened has none until it comes again: nothing is known of its
// request.
void FoldedStreams::rebound(Session& session, Now now) {
    const auto it = folds_.find(session.number);
    if (it == folds_.end()) return;
    Fold& fold = *it->second;
    const ConnectionView view = view_of(session, now);
    const dsl::Request request = request_for(session.facts, session.number);
    std::vector<std::string_view> wanted;
    for (const dsl::Stream& declared : view.route.streams) {
        if (!fold.only.empty() && declared.name != fold.only) continue;
        if (!has_stream(view, declared, request)) continue;
        wanted.push_back(declared.name);
        add(session, fold, declared, now);
    }
    for (const uint64_t number : std::vector(fold.streams)) {
        FoldedStream* stream = find(number);
        if (!stream || std::find(wanted.begin(), wanted.end(), stream->name) != wanted.end()) continue;
        std::erase(fold.streams, number);
        tell_closed(*stream, {1000, std::string(to_string(Reason::policy_changed))}, now);
        leave(*stream, 1001, now);
    }
    if (wanted.empty() && !fold.only.empty())
        outbox_.end(session, Rejection::of(Reason::forbidden, "the stream of this address is not yours"),
                    now);
}

std::optional<std::string> FoldedStreams::path_of(const Session& session, const dsl::Stream& declared) const {
    const dsl::Request request = request_for(session.facts, session.number);
    std::string path;
    if (!dsl::build_path(session.binding->route->program, declared.to, request, path)) return std::nullopt;
    const std::string& url = session.binding->runtime->backends.at(declared.to.backend)->url;
    const size_t scheme = url.find("://");
    const size_t slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
    return slash == std::string::npos ? path : url.substr(slash) + path;
}

// One that it has already goes on, if it leads where it led.
void FoldedStreams::add(Session& session, Fold& fold, const dsl::Stream& declared, Now now) {
    const auto& backend = session.binding->runtime->backends.at(declared.to.backend);
    const std::optional<std::string> path = path_of(session, declared);
    FoldedStream* known = of_session(session, declared.name);
    if (known && path && known->path == *path && known->backend->url == backend->url &&
        known->backend->socket == backend->socket) {
        known->backend = backend;
        return;
    }
    if (known) {
        std::erase(fold.streams, known->number);
        leave(*known, 1001, now);
    }
    auto made = std::make_unique<FoldedStream>();
    FoldedStream& stream = *made;
    stream.number = ++numbers_;
    stream.session = session.number;
    stream.client = session.id;
    stream.name = declared.name;
    stream.backend = backend;
    stream.told = known ? known->told : FoldedStream::Told::nothing;
    fold.streams.push_back(stream.number);
    streams_.emplace(stream.number, std::move(made));
    if (!path) return finish(stream, {1008, "no_path"}, now);
    stream.path = *path;
    if (!declared.on_first_use || !fold.only.empty()) begin(stream, now);
}

void FoldedStreams::ended(const Session& session, Now now) {
    const auto it = folds_.find(session.number);
    if (it == folds_.end()) return;
    const bool by_client = session.ending && session.ending->reason == "client";
    const uint16_t said = by_client ? session.ending->code : uint16_t{1001};
    const std::unique_ptr<Fold> fold = std::move(it->second);
    folds_.erase(it);
    for (const uint64_t number : fold->streams) {
        if (FoldedStream* stream = find(number)) leave(*stream, is_close_code(said) ? said : 1001, now);
    }
}

// --- what a client says ---

void FoldedStreams::handle(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                           dsl::Request& request, Now now) {
    FoldedStream* stream = of_session(session, message.stream);
    const auto& declared = session.binding->route->streams;
    const auto it = std::find_if(declared.begin(), declared.end(),
                                 [&](const dsl::Stream& one) { return one.name == message.stream; });
    if (!stream || it == declared.end())
        return replies_.reject(
            session, re, Rejection::of(Reason::unknown_message, "you have no stream of this name"), now);
    auto said = read_stream_message(message);
    if (!said) return replies_.reject(session, re, bad_message(said.error()), now);
    said->re = re;
    judge(session, *it, request, std::move(*said), now);
}

void FoldedStreams::pass_on(Session& session, std::string_view payload, bool binary, dsl::Request& request,
                            Now now) {
    const auto it = folds_.find(session.number);
    if (it == folds_.end()) return;
    for (const dsl::Stream& declared : session.binding->route->streams) {
        if (declared.name == it->second->only)
            return judge(session, declared, request, {binary, std::string(payload), {}}, now);
    }
}

void FoldedStreams::judge(Session& session, const dsl::Stream& declared, dsl::Request& request,
                          StreamMessage message, Now now) {
    const ReplyTo re = message.re;
    request.message_size = static_cast<int64_t>(message.payload.size());
    request.message_binary = message.binary;
    Authorization judged = authorize_stream(view_of(session, now), declared, request, limits_, now);
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    if (FoldedStream* stream = of_session(session, declared.name))
        accept(session, *stream, std::move(message), now);
}

size_t FoldedStreams::held(const Session& session) const {
    const auto fold = folds_.find(session.number);
    if (fold == folds_.end()) return 0;
    size_t out = 0;
    for (const uint64_t number : fold->second->streams) {
        const FoldedStream* stream = find(number);
        if (stream) out += stream->pending_bytes + stream->unread.capacity();
        if (stream && stream->upstream) out += stream->upstream->held();
    }
    return out;
}

void FoldedStreams::accept(Session& session, FoldedStream& stream, StreamMessage message, Now now) {
    using State = FoldedStream::State;
    const size_t size = message.payload.size();
    if (stream.state == State::open) {
        const bool full = stream.upstream->output().size() + size > std::max(most_unsent, size);
        // Of an old client nothing is left out: it waits, as it would at the backend itself.
        if (session.unwrapped) session.input_full = full;
        if (full && !session.unwrapped)
            return replies_.reject(session, message.re, not_open("the stream does not take it fast enough"),
                                   now);
        stream.upstream->send(message.binary ? Opcode::binary : Opcode::text, message.payload);
        counters_.stream_messages_in.add();
        flush(stream);
        return replies_.confirm(session, message.re, now);
    }
    if (stream.state == State::resting) begin(stream, now);
    const bool hopeless = stream.state == State::closed || stream.told == FoldedStream::Told::closed;
    if (hopeless) return replies_.reject(session, message.re, not_open("the stream is closed"), now);
    if (stream.pending.size() >= most_pending || stream.pending_bytes + size > most_pending_bytes ||
        pending_bytes_ + size > most_pending_of_all)
        return replies_.reject(session, message.re, not_open("too much waits for the stream to open"), now);
    stream.pending.push_back(std::move(message));
    stream.pending_bytes += size;
    pending_bytes_ += size;
    set_gauges();
}

void FoldedStreams::drop_pending(FoldedStream& stream, Now now) {
    pending_bytes_ -= std::exchange(stream.pending_bytes, 0);
    std::deque<StreamMessage> dropped;
    dropped.swap(stream.pending);
    Session* session = client_of(stream);
    for (const StreamMessage& message : dropped) {
        counters_.stream_messages_lost.add();
        if (session) replies_.reject(*session, message.re, not_open("the stream is closed"), now);
    }
}

// --- what a client hears ---

void FoldedStreams::deliver(FoldedStream& stream, const UpstreamMessage& message, Now now) {
    Session* session = client_of(stream);
    if (!session) return;
    counters_.stream_messages_out.add();
    log_.streamed(*session, stream.name, message.payload.size());
    if (session->unwrapped) {
        const Opcode opcode = message.binary ? Opcode::binary : Opcode::text;
        outbox_.send(*session, web_socket_.message(*session, opcode, message.payload), now);
    } else {
        outbox_.send_text(*session,
                          stream_message_text(parser_, stream.name, message.binary, message.payload), now);
    }
    // The backend waits for a client that reads slowly, rather than we.
    const QueueBounds bounds = outbox_.bounds_of(*session);
    if (session->queue.bytes() > bounds.bytes / 2 || session->queue.frames() > bounds.frames / 2)
        stream.paused = true;
}

void FoldedStreams::drained(const Session& session, Now now) {
    const auto it = folds_.find(session.number);
    if (it == folds_.end()) return;
    for (const uint64_t number : std::vector(it->second->streams)) {
        FoldedStream* stream = find(number);
        if (!stream || !std::exchange(stream->paused, false)) continue;
        std::string unread = std::exchange(stream->unread, {});
        const uint64_t dialled = stream->dialled;
        if (!unread.empty()) read(*stream, unread, now);
        stream = find(number);  // what it had said may have been its last word
        if (stream && dialled != 0 && stream->dialled == dialled && !stream->paused)
            actions_.upstreams_to_read.push_back(dialled);
    }
}

void FoldedStreams::tell_closed(FoldedStream& stream, const StreamEnd& end, Now now) {
    using Told = FoldedStream::Told;
    if (std::exchange(stream.told, Told::closed) == Told::closed && end.retry_ms) return;
    drop_pending(stream, now);
    Session* session = client_of(stream);
    if (!session) return;
    if (!session->unwrapped) return outbox_.send_text(*session, stream_closed_text(stream.name, end), now);
    // An old client knows how to come again: its connection is this stream.
    outbox_.end_with(*session, {end.code, end.reason, end.reason, -1});
}

// --- look-up ---

FoldedStream* FoldedStreams::find(uint64_t number) const {
    const auto it = streams_.find(number);
    return it == streams_.end() ? nullptr : it->second.get();
}

FoldedStream* FoldedStreams::of_session(const Session& session, std::string_view name) const {
    const auto it = folds_.find(session.number);
    if (it == folds_.end()) return nullptr;
    for (const uint64_t number : it->second->streams) {
        FoldedStream* stream = find(number);
        if (stream && stream->name == name) return stream;
    }
    return nullptr;
}

Session* FoldedStreams::client_of(const FoldedStream& stream) const {
    if (stream.state == FoldedStream::State::leaving) return nullptr;
    Session* session = sessions_.find(stream.client);
    const bool same = session && session->number == stream.session;
    return same && session->state == Session::State::open ? session : nullptr;
}

void FoldedStreams::forget(uint64_t number) {
    FoldedStream* stream = find(number);
    if (!stream) return;
    times_.erase({stream->at_ms, number});
    pending_bytes_ -= stream->pending_bytes;
    hang_up(*stream);
    streams_.erase(number);
    set_gauges();
}

void FoldedStreams::set_gauges() {
    counters_.streams_folded.set(open_);
    counters_.stream_pending_bytes.set(pending_bytes_);
}

}  // namespace wayleave
