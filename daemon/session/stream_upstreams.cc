// The backends' side of folded streams: attempts, handshakes, and how a backend that has gone is waited for.
#include <algorithm>

#include "daemon/decision/envelope.h"
#include "daemon/protocol/traceparent.h"
#include "daemon/session/folded_streams.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// For so long nobody is told that a backend is away.
constexpr int64_t untold_ms = 2'000;
// Between attempts: doubled, with jitter. A backend that is away comes back; one that answers and says no to
// everybody wants an administrator.
constexpr int64_t least_away_ms = 100;
constexpr int64_t most_away_ms = 30'000;
constexpr int64_t least_refused_ms = 5'000;
constexpr int64_t most_refused_ms = 300'000;
// A stream that was open for so long has not failed before.
constexpr int64_t settled_ms = 10'000;
constexpr int64_t goodbye_ms = 2'000;
constexpr int64_t never_ms = INT64_MAX;

// The words of a `$stream`, which are those of refusals.
std::string word(Reason reason) {
    return std::string(to_string(reason));
}

}  // namespace

// --- attempts ---

// When something is due, or its client is to be told that it is away.
void FoldedStreams::schedule(FoldedStream& stream, int64_t due_ms) {
    using State = FoldedStream::State;
    stream.due_ms = due_ms;
    const bool away =
        stream.state == State::queued || stream.state == State::shaking || stream.state == State::waiting;
    const bool untold = away && stream.told != FoldedStream::Told::closed;
    const int64_t at_ms = untold ? std::min(due_ms, stream.lost_ms + untold_ms) : due_ms;
    if (stream.at_ms != never_ms) times_.erase({stream.at_ms, stream.number});
    stream.at_ms = at_ms;
    if (at_ms != never_ms) times_.emplace(at_ms, stream.number);
}

void FoldedStreams::begin(FoldedStream& stream, Now now) {
    if (stream.lost_ms == 0) stream.lost_ms = now.steady_ms;
    const size_t most = std::max<size_t>(1, stream.backend->concurrency / workers_);
    stream.state = FoldedStream::State::queued;
    schedule(stream, never_ms);
    if (pacer_.enter(stream.backend->name, stream.number, most)) dial(stream, now);
}

void FoldedStreams::dial(FoldedStream& stream, Now now) {
    Session* session = client_of(stream);
    const auto fold = folds_.find(stream.session);
    if (!session || fold == folds_.end()) return pacer_.done(stream.backend->name);
    stream.state = FoldedStream::State::shaking;
    stream.upstream = std::make_unique<Upstream>(random_);
    stream.upstream->begin(stream.path, fold->second->host, headers_of(*session, *fold->second, stream, now));
    stream.dialled = ++numbers_;
    dialled_.emplace(stream.dialled, stream.number);
    actions_.dials.push_back({stream.dialled, stream.backend});
    schedule(stream, now.steady_ms + stream.backend->timeout_ms);
}

void FoldedStreams::run_queue(Now now) {
    while (const auto next = pacer_.next()) {
        FoldedStream* stream = find(next->stream);
        if (stream && stream->state == FoldedStream::State::queued) {
            dial(*stream, now);
        } else {
            pacer_.done(next->backend);
        }
    }
}

std::string FoldedStreams::headers_of(const Session& session, const Fold& fold, const FoldedStream& stream,
                                      Now now) {
    std::string out = fold.headers + "traceparent: " + traceparent(session.trace.get(), random_) + "\r\n";
    std::string cookies;
    for (const auto& [name, value] : fold.cookies) {
        const auto& passed = stream.backend->pass_cookies;
        if (std::find(passed.begin(), passed.end(), name) == passed.end()) continue;
        cookies.append(cookies.empty() ? "" : "; ").append(name).append("=").append(value);
    }
    if (!cookies.empty()) out += "Cookie: " + cookies + "\r\n";
    const Runtime& runtime = *session.binding->runtime;
    if (stream.backend->sign.empty() || !runtime.backend_service) return out;
    BackendRequest request;
    request.backend = stream.backend;
    request.id = "str_" + name_ + "-" + std::to_string(numbers_ + 1);
    const std::string number = session_text(session.number);
    request.identity = identity_members({"stream",
                                         request.id,
                                         now.wall_ms,
                                         *session.binding->route,
                                         session.facts,
                                         number,
                                         {},
                                         session.shown_user()});
    return out + "Wayleave-Identity: " + runtime.backend_service->identity_of(request, now) + "\r\n";
}

// --- what the backend does ---

FoldedStream* FoldedStreams::of_dialled(uint64_t dialled) const {
    const auto it = dialled_.find(dialled);
    return it == dialled_.end() ? nullptr : find(it->second);
}

void FoldedStreams::connected(uint64_t dialled, Now) {
    if (const FoldedStream* stream = of_dialled(dialled)) flush(*stream);
}

void FoldedStreams::received(uint64_t dialled, std::span<char> bytes, Now now) {
    if (FoldedStream* stream = of_dialled(dialled)) read(*stream, bytes, now);
}

void FoldedStreams::read(FoldedStream& stream, std::span<char> bytes, Now now) {
    const uint64_t dialled = stream.dialled;
    for (;;) {
        const UpstreamEvent event = stream.upstream->read(bytes, bindings_.settings().max_queue_bytes);
        if (std::holds_alternative<UpstreamNeedsMore>(event)) return flush(stream);
        if (const auto* message = std::get_if<UpstreamMessage>(&event)) {
            deliver(stream, *message, now);
        } else if (std::holds_alternative<UpstreamOpened>(event)) {
            became_open(stream, now);
        } else if (const auto* refusal = std::get_if<UpgradeRefused>(&event)) {
            return refused(stream, *refusal, now);
        } else if (const auto* end = std::get_if<UpstreamClosed>(&event)) {
            return closed(stream, end->code, end->reason, now);
        }
        if (stream.dialled != dialled) return;
        if (stream.paused) {
            stream.unread.append(bytes.data(), bytes.size());
            return flush(stream);
        }
    }
}

void FoldedStreams::became_open(FoldedStream& stream, Now now) {
    pacer_.done(stream.backend->name);
    ++open_;
    counters_.stream_handshakes.add();
    stream.state = FoldedStream::State::open;
    stream.opened_ms = now.steady_ms;
    stream.lost_ms = 0;
    schedule(stream, never_ms);
    std::deque<StreamMessage> pending;
    pending.swap(stream.pending);
    pending_bytes_ -= std::exchange(stream.pending_bytes, 0);
    Session* session = client_of(stream);
    if (session && std::exchange(stream.told, FoldedStream::Told::open) != FoldedStream::Told::open &&
        !session->unwrapped)
        outbox_.send_text(*session, stream_open_text(stream.name), now);
    for (StreamMessage& message : pending) {
        if (session) accept(*session, stream, std::move(message), now);
    }
    set_gauges();
    run_queue(now);
}

void FoldedStreams::refused(FoldedStream& stream, const UpgradeRefused& refusal, Now now) {
    counters_.stream_refused.add();
    const bool forbidden = refusal.status == 401 || refusal.status == 403;
    note(stream, "stream-refused",
         refusal.status > 0
             ? "a backend answers a stream's handshake with " + std::to_string(refusal.status)
             : "a backend answers a stream's handshake wrongly: " + std::string(refusal.reason),
         now);
    hang_up(stream);
    if (forbidden) return finish(stream, {1008, word(Reason::forbidden)}, now);
    const int64_t asked_ms = std::min<int64_t>(refusal.retry_after_s.value_or(0), 3600) * 1000;
    retry(stream, std::max(least_refused_ms, asked_ms), std::max(most_refused_ms, asked_ms), now);
}

void FoldedStreams::gone(uint64_t dialled, const std::string& why, Now now) {
    FoldedStream* stream = of_dialled(dialled);
    if (!stream) return;
    if (stream->state == FoldedStream::State::leaving) return forget(stream->number);
    if (stream->state == FoldedStream::State::open) return closed(*stream, 1006, why, now);
    note(*stream, "stream-failed", "a backend is not reached for a stream: " + why, now);
    hang_up(*stream);
    retry(*stream, least_away_ms, most_away_ms, now);
}

void FoldedStreams::closed(FoldedStream& stream, uint16_t code, const std::string& reason, Now now) {
    if (stream.state == FoldedStream::State::leaving) return forget(stream.number);
    counters_.streams_lost.add();
    const bool settled = now.steady_ms - stream.opened_ms >= settled_ms;
    if (settled) stream.failures = 0;
    const Session* session = client_of(stream);
    // Its last bytes are the answer to the goodbye.
    dialled_.erase(stream.dialled);
    actions_.upstreams_to_end.push_back(
        {std::exchange(stream.dialled, 0), std::string(stream.upstream->output())});
    if (is_final_close(code) || (session && session->unwrapped)) {
        const uint16_t told = code == 1006 ? uint16_t{1014} : code;
        note(stream, "stream-closed", "a backend has closed a stream with " + std::to_string(code), now);
        return finish(stream, {told, reason.empty() ? "closed" : reason}, now);
    }
    hang_up(stream);
    retry(stream, least_away_ms, most_away_ms, now);
}

// --- what comes of it ---

void FoldedStreams::retry(FoldedStream& stream, int64_t least_ms, int64_t most_ms, Now now) {
    if (stream.lost_ms == 0) stream.lost_ms = now.steady_ms;
    const Session* session = client_of(stream);
    if (!session) return forget(stream.number);
    if (session->unwrapped) return finish(stream, {1014, word(Reason::unavailable)}, now);
    const uint32_t doublings = std::min<uint32_t>(stream.failures++, 16);
    const auto wait = static_cast<uint64_t>(std::min(most_ms, least_ms << doublings));
    stream.state = FoldedStream::State::waiting;
    schedule(stream, now.steady_ms + static_cast<int64_t>(wait / 2 + random_() % (wait / 2 + 1)));
    run_queue(now);
}

void FoldedStreams::finish(FoldedStream& stream, const StreamEnd& end, Now now) {
    hang_up(stream);
    stream.state = FoldedStream::State::closed;
    schedule(stream, never_ms);
    tell_closed(stream, end, now);
    run_queue(now);
}

// The connection is not ours to read from any more.
void FoldedStreams::hang_up(FoldedStream& stream) {
    if (stream.state == FoldedStream::State::shaking) pacer_.done(stream.backend->name);
    if (stream.state == FoldedStream::State::open) --open_;
    if (stream.dialled != 0) {
        dialled_.erase(stream.dialled);
        actions_.upstreams_to_abort.push_back(std::exchange(stream.dialled, 0));
    }
    stream.upstream.reset();
    std::string().swap(stream.unread);
    stream.paused = false;
    stream.state = FoldedStream::State::waiting;
    set_gauges();
}

// Of a stream that no client has any more.
void FoldedStreams::leave(FoldedStream& stream, uint16_t code, Now now) {
    const bool open = stream.state == FoldedStream::State::open;
    pending_bytes_ -= std::exchange(stream.pending_bytes, 0);
    stream.pending.clear();
    if (!open) {
        forget(stream.number);
        return run_queue(now);
    }
    --open_;
    stream.state = FoldedStream::State::leaving;
    std::string().swap(stream.unread);
    stream.paused = false;
    stream.upstream->close(code, {});
    flush(stream);
    actions_.upstreams_to_read.push_back(stream.dialled);
    schedule(stream, now.steady_ms + goodbye_ms);
    set_gauges();
}

void FoldedStreams::wake(FoldedStream& stream, Now now) {
    using State = FoldedStream::State;
    stream.at_ms = never_ms;
    if (stream.due_ms > now.steady_ms) {
        const int64_t again_ms = stream.state == State::waiting ? stream.due_ms - now.steady_ms : 0;
        tell_closed(stream, {1012, word(Reason::unavailable), again_ms}, now);
        return schedule(stream, stream.due_ms);
    }
    if (stream.state == State::leaving) return forget(stream.number);
    if (stream.state == State::waiting) return begin(stream, now);
    if (stream.state != State::shaking) return;
    note(stream, "stream-failed", "a backend does not answer a stream's handshake in time", now);
    hang_up(stream);
    retry(stream, least_away_ms, most_away_ms, now);
}

void FoldedStreams::tick(Now now) {
    while (!times_.empty() && times_.begin()->first <= now.steady_ms) {
        const uint64_t number = times_.begin()->second;
        times_.erase(times_.begin());
        if (FoldedStream* stream = find(number)) wake(*stream, now);
    }
}

// --- bytes ---

bool FoldedStreams::may_read(uint64_t dialled) const {
    const FoldedStream* stream = of_dialled(dialled);
    return stream && !stream->paused;
}

std::string_view FoldedStreams::output(uint64_t dialled) const {
    const FoldedStream* stream = of_dialled(dialled);
    return stream ? stream->upstream->output() : std::string_view();
}

void FoldedStreams::written(uint64_t dialled, size_t bytes, Now) {
    FoldedStream* stream = of_dialled(dialled);
    if (!stream) return;
    stream->upstream->written(bytes);
    Session* session = stream->upstream->output().empty() ? client_of(*stream) : nullptr;
    if (session && std::exchange(session->input_full, false)) actions_.to_read.push_back(session->id);
}

void FoldedStreams::flush(const FoldedStream& stream) {
    if (stream.dialled != 0 && !stream.upstream->output().empty())
        actions_.upstreams_to_flush.push_back(stream.dialled);
}

void FoldedStreams::note(const FoldedStream& stream, std::string_view name, std::string text, Now now) {
    Event event{name, std::move(text), Severity::warning};
    event.with("backend", stream.backend->name).with("stream", stream.name).with("path", stream.path);
    log_.tell(std::move(event), stream.backend->name, stream.name, now);
}

}  // namespace wayleave
