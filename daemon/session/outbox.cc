#include "daemon/session/outbox.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// What may wait before the socket was offered it: of the queue's bounds, and at least more than is delivered
// at once.
constexpr size_t burst_factor = 16;
constexpr size_t least_burst_bytes = 1 << 20;
constexpr size_t least_burst_frames = 4096;

constexpr size_t worth_shedding = 16 << 10;  // bytes that wait

bool takes_more(const Session& session) {
    return session.state == Session::State::open && !session.last_bytes && !session.abort_listed;
}

}  // namespace

Outbox::Outbox(Actions& actions, Counters& counters, const Bindings& bindings, ConnectionLog& log,
               BanCounter& ban_counter, const Framing& web_socket, const Framing& event_stream)
    : actions_(actions),
      counters_(counters),
      bindings_(bindings),
      log_(log),
      ban_counter_(ban_counter),
      web_socket_(web_socket),
      event_stream_(event_stream) {}

// --- what is sent ---

void Outbox::send_text(Session& session, std::string_view text, Now now, dsl::Lane lane, Word word) {
    if (session.unwrapped) return;  // that would be none of its own words
    send(session, framing(session).text(session, text, word), now, lane);
}

// Where something waits, a stream's heartbeat tells nobody anything.
void Outbox::heartbeat(Session& session, Now now) {
    if (!session.stream || session.queue.empty()) send(session, framing(session).heartbeat(), now);
}

void Outbox::queue(Session& session, Frame frame) {
    session.queue.push(std::move(frame));
    list_flush(session);
}

QueueBounds Outbox::bounds_of(const Session& session) const {
    const GatewaySettings& settings = bindings_.settings();
    const size_t of_route = session.binding ? session.binding->route->max_queue : 0;
    return {of_route > 0 ? of_route : settings.max_queue_bytes, settings.max_queue_messages};
}

QueueBounds Outbox::burst_of(const QueueBounds& bounds) {
    return {std::max(burst_factor * bounds.bytes, least_burst_bytes),
            std::max(burst_factor * bounds.frames, least_burst_frames)};
}

dsl::Lane Outbox::lane_for(Session& session, dsl::Lane lane) {
    // A channel may have moved to another lane; what waits stays before what comes.
    const auto generation = static_cast<uint32_t>(bindings_.runtime().generation);
    if (session.lanes_of != generation) session.queue.commit();
    session.lanes_of = generation;
    // An event's id says what came before it, so that events of a stream do not overtake each other.
    return session.stream ? dsl::Lane::normal : lane;
}

void Outbox::send(Session& session, Frame frame, Now now, dsl::Lane lane) {
    if (session.tunnelled) return;  // its bytes are the backend's
    if (!takes_more(session)) return;
    // Nothing was offered to the socket yet in this turn, so a full queue says little: blocked() judges, when
    // the socket takes no more. Only a burst without measure ends here.
    const QueueBounds burst = burst_of(bounds_of(session));
    const bool beyond = !session.queue.empty() && (session.queue.bytes() + frame->size() > burst.bytes ||
                                                   session.queue.frames() >= burst.frames);
    if (beyond) return too_slow(session, now);
    push(session, std::move(frame), now, lane, SendQueue::Give::never);
}

void Outbox::push(Session& session, Frame frame, Now now, dsl::Lane lane, SendQueue::Give give) {
    check(!session.last_bytes, "outbox: something is sent behind the last words");
    ++session.messages_out;
    session.queue.push(std::move(frame), now.steady_ms, lane_for(session, lane), give);
    list_flush(session);
}

void Outbox::send_publication(Session& session, const Publication& publication,
                              const dsl::ChannelRules& rules, Now now) {
    if (session.unwrapped || session.tunnelled) return;
    const dsl::SlowConsumer slow = rules.slow.value_or(session.binding->route->slow_consumer);
    const bool closes = slow == dsl::SlowConsumer::close;
    const dsl::Lane lane = publication->lane.value_or(rules.lane);
    Frames frames = framing(session).publication(session, publication, !closes);
    if (!closes) return send_droppable(session, std::move(frames.first), slow, lane, now);
    send(session, std::move(frames.first), now, lane);
    if (frames.second) send(session, std::move(frames.second), now, lane);
}

// Nothing waits for it, so that in this turn none of them would give way either; should the socket not take
// them now, they are but a part of what may wait.
bool Outbox::takes_as_one(const Session& session, size_t bytes, size_t messages) const {
    constexpr size_t part = 8;
    const bool plain =
        !session.stream && !session.unwrapped && !session.tunnelled && session.deflate_bits == 0;
    if (!plain || !takes_more(session) || session.stalled || !session.queue.empty()) return false;
    const QueueBounds bounds = bounds_of(session);
    return bytes <= bounds.bytes / part && messages <= bounds.frames / part;
}

void Outbox::send_as_one(Session& session, const Frame& joined, size_t messages, dsl::Lane lane, Now now) {
    push(session, joined, now, lane, SendQueue::Give::never);
    session.messages_out += static_cast<uint32_t>(messages - 1);
}

// It or another gives way instead of the reader.
void Outbox::send_droppable(Session& session, Frame frame, dsl::SlowConsumer slow, dsl::Lane lane, Now now) {
    if (!takes_more(session)) return;
    const QueueBounds bounds = bounds_of(session);
    const QueueBounds most = session.stalled ? bounds : burst_of(bounds);
    const bool full =
        session.queue.bytes() + frame->size() > most.bytes || session.queue.frames() >= most.frames;
    if (full && slow == dsl::SlowConsumer::drop) return left_out(session, 1);
    // A quarter at once, so that a full queue is not walked over for each.
    if (full) left_out(session, session.queue.drop_oldest(bounds.bytes / 4 * 3, bounds.frames / 4 * 3));
    const bool late = slow == dsl::SlowConsumer::drop;
    push(session, std::move(frame), now, lane, late ? SendQueue::Give::late : SendQueue::Give::early);
}

// The reader is told when it has caught up: see sent().
void Outbox::left_out(Session& session, size_t messages) {
    counters_.dropped.add(messages);
    session.left_out += static_cast<uint32_t>(messages);
}

void Outbox::too_slow(Session& session, Now now) {
    end(session, Rejection::of(Reason::slow, "more is waiting than the queue holds"), now);
}

void Outbox::set_stalled(Session& session, bool is_stalled) {
    if (session.stalled == is_stalled) return;
    check(is_stalled || stalled_ > 0, "outbox: more connections go on than were stalled");
    session.stalled = is_stalled;
    is_stalled ? ++stalled_ : --stalled_;
}

void Outbox::blocked(Session& session, Now now) {
    if (session.state != Session::State::open) return;
    set_stalled(session, true);
    if (session.tunnelled) return;  // the backend is held back, so that it cannot be too much
    const QueueBounds bounds = bounds_of(session);
    const int64_t most_age_ms = bindings_.settings().max_queue_age_ms;
    SendQueue& queue = session.queue;
    const dsl::SlowConsumer slow = session.binding->route->slow_consumer;
    size_t dropped = queue.drop_older(most_age_ms, now.steady_ms);
    dropped += queue.drop_newest(bounds.bytes, bounds.frames);
    dropped += queue.drop_oldest(bounds.bytes, bounds.frames);
    left_out(session, dropped);
    // What is left beside publications is bounded, too: a reader that is stalled is not read from.
    const bool old = slow == dsl::SlowConsumer::close && queue.age_ms(now.steady_ms) > most_age_ms;
    if (old || queue.bytes() > bounds.bytes || queue.frames() > bounds.frames) too_slow(session, now);
}

void Outbox::shed(std::vector<Holding> holding, Now now) {
    std::erase_if(holding, [](const Holding& one) {
        const bool ends =
            one.session->state != Session::State::open && one.session->state != Session::State::head;
        return ends || one.session->abort_listed || one.bytes < worth_shedding;
    });
    std::sort(holding.begin(), holding.end(),
              [](const Holding& a, const Holding& b) { return a.bytes > b.bytes; });
    size_t bytes = 0;
    for (const Holding& one : holding) bytes += one.bytes;
    size_t freed = 0;
    for (const auto& [session, held] : holding) {
        if (freed * 2 >= bytes) break;
        freed += held;
        counters_.shed.add();
        // Who asks over HTTP is in the middle of an answer: nothing can be said behind it.
        if (session->state == Session::State::head) {
            abort(*session);
            continue;
        }
        session->queue.drop_unsent();
        end(*session, Rejection::of(Reason::slow, "the server is short of memory"), now);
    }
}

bool Outbox::sent(Session& session, size_t bytes, Now now) {
    counters_.bytes_out.add(bytes);
    if (session.state == Session::State::head) {
        session.opened_ms = std::max(session.opened_ms, now.steady_ms);  // a file on a slow line moves on
    } else {
        session.bytes_out += bytes;
    }
    // It is not read from meanwhile, so that it takes something is all that can be heard of it.
    if (session.stalled) session.last_heard_ms = now.steady_ms;
    if (!session.queue.empty()) return false;
    set_stalled(session, false);
    if (session.state != Session::State::open) return false;
    if (session.left_out > 0) {
        const uint32_t messages = std::exchange(session.left_out, 0);
        if (session.binding->route->dialect == dsl::Dialect::native)
            send_text(session, dropped_text(messages), now);
    }
    return true;
}

// --- the end ---

void Outbox::list_flush(Session& session) {
    if (session.flush_listed) return;
    session.flush_listed = true;
    actions_.flush.push_back(session.id);
}

void Outbox::abort(Session& session) {
    if (session.abort_listed) return;
    session.abort_listed = true;
    actions_.abort.push_back(session.id);
}

void Outbox::send_last(Session& session, std::string bytes) {
    if (session.handshaking && session.handshaking->head_only) bytes.resize(bytes.find("\r\n\r\n") + 4);
    session.queue.push_last(framed(std::move(bytes)));
    session.last_bytes = true;
    list_flush(session);
}

void Outbox::end(Session& session, Rejection rejection, Now now) {
    if (session.state != Session::State::open) return;
    session.state = Session::State::ending;
    log_.refused(session, rejection);
    if (auto banned = ban_counter_.count_refusal(session, rejection.reason, now)) {
        rejection = std::move(*banned);
        log_.refused(session, rejection);
    }
    log_.note_ending(session, rejection);
    ending_.push_back({session.id, std::move(rejection), {}});
}

void Outbox::end_with(Session& session, Farewell farewell) {
    if (session.state != Session::State::open) return;
    session.state = Session::State::ending;
    ending_.push_back({session.id, {}, std::move(farewell)});
}

void Outbox::send_farewell(Session& session, const Farewell& farewell) {
    if (session.tunnelled) return abort(session);  // there may be half a frame of the backend's before it
    // What did not fit is dropped, so that the last words do.
    if (session.queue.bytes() > bounds_of(session).bytes / 2) session.queue.drop_unsent();
    session.queue.push_last(framing(session).farewell(session, farewell));
    if (session.stream) session.last_bytes = true;  // nobody answers it
    list_flush(session);
}

void Outbox::finish(Session& session) {
    session.last_bytes = true;
    list_flush(session);
}

}  // namespace wayleave
