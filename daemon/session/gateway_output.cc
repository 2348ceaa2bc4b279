// What waits for a client, and what becomes of one that reads too slowly.
#include <algorithm>

#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

// What may wait before the socket was offered it: of the queue's bounds, and at least more than is delivered
// at once.
constexpr size_t burst_factor = 16;
constexpr size_t least_burst_bytes = 1 << 20;
constexpr size_t least_burst_frames = 4096;

constexpr size_t worth_shedding = 16 << 10;  // bytes that wait

// All frames are made with the largest window. A client that asked for a smaller one can read those that are
// no longer than it: they refer to nothing further back.
bool takes_deflated(const Session& session, size_t size) {
    if (session.deflate_bits == 0) return false;
    return session.deflate_bits == 15 || size <= size_t{1} << session.deflate_bits;
}

}  // namespace

Gateway::Impl::Bounds Gateway::Impl::bounds_of(const Session& session) const {
    const GatewaySettings& settings = runtime_->settings;
    const size_t of_route = session.binding ? session.binding->route->max_queue : 0;
    return {of_route > 0 ? of_route : settings.max_queue_bytes, settings.max_queue_messages};
}

Gateway::Impl::Bounds Gateway::Impl::burst_of(const Bounds& bounds) {
    return {std::max(burst_factor * bounds.bytes, least_burst_bytes),
            std::max(burst_factor * bounds.frames, least_burst_frames)};
}

dsl::Lane Gateway::Impl::lane_for(Session& session, dsl::Lane lane) {
    // A channel may have moved to another lane; what waits stays before what comes.
    const auto generation = static_cast<uint32_t>(runtime_->generation);
    if (session.lanes_of != generation) session.queue.commit();
    session.lanes_of = generation;
    // An event's id says what came before it, so that events of a stream do not overtake each other.
    return session.stream ? dsl::Lane::normal : lane;
}

void Gateway::Impl::send(Session& session, Frame frame, Now now, dsl::Lane lane) {
    if (session.last_bytes || session.abort_listed || session.state != Session::State::open) return;
    // Nothing was offered to the socket yet in this turn, so a full queue says little: blocked() judges, when
    // the socket takes no more. Only a burst without measure ends here.
    const Bounds burst = burst_of(bounds_of(session));
    const bool beyond = !session.queue.empty() && (session.queue.bytes() + frame->size() > burst.bytes ||
                                                   session.queue.frames() >= burst.frames);
    if (beyond) return too_slow(session, now);
    ++session.messages_out;
    session.queue.push(std::move(frame), now.steady_ms, lane_for(session, lane));
    list_flush(session);
}

// A publication. Where the route says so, it or another gives way instead of the reader.
void Gateway::Impl::send_droppable(Session& session, Frame frame, const dsl::ChannelRules& rules, Now now) {
    const dsl::SlowConsumer slow = rules.slow.value_or(session.binding->route->slow_consumer);
    if (slow == dsl::SlowConsumer::close || session.state != Session::State::open)
        return send(session, std::move(frame), now, rules.lane);
    const Bounds bounds = bounds_of(session);
    const Bounds most = session.stalled ? bounds : burst_of(bounds);
    const bool full =
        session.queue.bytes() + frame->size() > most.bytes || session.queue.frames() >= most.frames;
    if (full && slow == dsl::SlowConsumer::drop) return left_out(session, 1);
    // A quarter at once, so that a full queue is not walked over for each.
    if (full) left_out(session, session.queue.drop_oldest(bounds.bytes / 4 * 3, bounds.frames / 4 * 3));
    const bool late = slow == dsl::SlowConsumer::drop;
    ++session.messages_out;
    session.queue.push(std::move(frame), now.steady_ms, lane_for(session, rules.lane),
                       late ? SendQueue::Give::late : SendQueue::Give::early);
    list_flush(session);
}

// The reader is told when it has caught up: see sent().
void Gateway::Impl::left_out(Session& session, size_t messages) {
    counters.dropped.add(messages);
    session.left_out += static_cast<uint32_t>(messages);
}

void Gateway::Impl::too_slow(Session& session, Now now) {
    end(session, Rejection::of(Reason::slow, "more is waiting than the queue holds"), now);
}

void Gateway::Impl::set_stalled(Session& session, bool is_stalled) {
    if (session.stalled == is_stalled) return;
    session.stalled = is_stalled;
    is_stalled ? ++stalled : --stalled;
}

void Gateway::Impl::blocked(ConnectionId id, Now now) {
    Session* session = find(id);
    if (!session || session->state != Session::State::open) return;
    set_stalled(*session, true);
    const Bounds bounds = bounds_of(*session);
    const int64_t most_age_ms = runtime_->settings.max_queue_age_ms;
    SendQueue& queue = session->queue;
    const dsl::SlowConsumer slow = session->binding->route->slow_consumer;
    size_t dropped = queue.drop_older(most_age_ms, now.steady_ms);
    dropped += queue.drop_newest(bounds.bytes, bounds.frames);
    dropped += queue.drop_oldest(bounds.bytes, bounds.frames);
    left_out(*session, dropped);
    // What is left beside publications is bounded, too: a reader that is stalled is not read from.
    const bool old = slow == dsl::SlowConsumer::close && queue.age_ms(now.steady_ms) > most_age_ms;
    if (old || queue.bytes() > bounds.bytes || queue.frames() > bounds.frames) too_slow(*session, now);
}

void Gateway::Impl::shed(Now now) {
    bindings_.clear();
    events_.forget();
    std::vector<Session*> waiting;
    size_t bytes = 0;
    for (const Slot& slot : slots_) {
        Session* session = slot.session.get();
        if (!session || session->state != Session::State::open || session->queue.bytes() < worth_shedding)
            continue;
        waiting.push_back(session);
        bytes += session->queue.bytes();
    }
    std::sort(waiting.begin(), waiting.end(),
              [](const Session* a, const Session* b) { return a->queue.bytes() > b->queue.bytes(); });
    size_t freed = 0;
    for (Session* session : waiting) {
        if (freed * 2 >= bytes) break;
        freed += session->queue.bytes();
        counters.shed.add();
        session->queue.drop_unsent();
        end(*session, Rejection::of(Reason::slow, "the server is short of memory"), now);
    }
    release_all(now);  // last: who is offered it now has not been slow yet
}

void Gateway::Impl::sent(ConnectionId id, size_t bytes, Now now) {
    Session* session = find(id);
    if (!session) return;
    counters.bytes_out.add(bytes);
    if (session->state == Session::State::head) {
        session->opened_ms = now.steady_ms;  // a file on a slow line moves on
    } else {
        session->bytes_out += bytes;
    }
    // It is not read from meanwhile, so that it takes something is all that can be heard of it.
    if (session->stalled) session->last_heard_ms = now.steady_ms;
    if (!session->queue.empty()) return;
    set_stalled(*session, false);
    if (session->state != Session::State::open) return;
    if (session->left_out > 0) {
        const uint32_t messages = std::exchange(session->left_out, 0);
        if (session->binding->route->dialect == dsl::Dialect::native)
            send_text(*session, dropped_text(messages), now);
    }
    if (session->owed) note_delivered(*session, now);
    if (!session->replays.empty()) replay_some(*session, now);
}

// --- who is not read from ---

bool Gateway::Impl::hold(ConnectionId id) {
    Session* session = find(id);
    if (!session || !session->publishes || session->state == Session::State::closing) return false;
    session->held = true;
    return true;
}

void Gateway::Impl::go_on(ConnectionId id, Now now) {
    Session* session = find(id);
    if (!session || !session->held) return;
    excuse(*session, now);
    session->held = false;
}

// It may have said something long ago.
void Gateway::Impl::excuse(Session& session, Now now) {
    session.last_heard_ms = now.steady_ms;
    if (session.message_since_ms > 0) session.message_since_ms = now.steady_ms;
    if (session.state == Session::State::head) session.opened_ms = now.steady_ms;
}

// --- what is sent ---

void Gateway::Impl::send_text(Session& session, std::string_view text, Now now, dsl::Lane lane, Word word) {
    if (session.stream) return send_event_text(session, text, word, now);
    send_message(session, Opcode::text, text, now, lane);
}

// To a POST, if one asked; else over the session's own connection.
void Gateway::Impl::reply(Session& session, const ReplyTo& to, std::string_view text, Now now, dsl::Lane lane,
                          Word word) {
    if (to.relay != 0) return answer_relayed(to.relay, 200, text);
    send_text(session, text, now, lane, word);
}

void Gateway::Impl::send_message(Session& session, Opcode opcode, std::string_view payload, Now now,
                                 dsl::Lane lane) {
    if (takes_deflated(session, payload.size())) {
        if (Frame frame = deflated_frame(opcode, payload, *deflater_)) {
            counters.deflated_frames.add();
            return send(session, std::move(frame), now, lane);
        }
    }
    send(session, framed(encode_frame(opcode, payload)), now, lane);
}

void Gateway::Impl::send_publication(Session& session, const Publication& publication,
                                     const dsl::ChannelRules& rules, Now now) {
    const SharedFrame& shared = publication->frame;
    if (session.stream) return send_event(session, publication, rules, now);
    if (takes_deflated(session, shared.payload().size())) {
        if (const Frame& frame = shared.deflated(*deflater_)) {
            counters.deflated_frames.add();
            return send_droppable(session, frame, rules, now);
        }
    }
    send_droppable(session, {publication, &shared.bytes()}, rules, now);
}

}  // namespace wayleave
