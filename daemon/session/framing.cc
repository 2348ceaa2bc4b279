#include "daemon/session/framing.h"

#include "daemon/message/sse.h"
#include "daemon/protocol/websocket.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// All frames are made with the largest window. A client that asked for a smaller one can read those that are
// no longer than it: they refer to nothing further back.
bool takes_deflated(const Session& session, size_t size) {
    if (session.deflate_bits == 0) return false;
    return session.deflate_bits == 15 || size <= size_t{1} << session.deflate_bits;
}

}  // namespace

// --- WebSocket ---

Frame WebSocketFraming::message(const Session& session, Opcode opcode, std::string_view payload) const {
    if (takes_deflated(session, payload.size())) {
        if (Frame frame = deflated_frame(opcode, payload, *compressors_.deflater)) {
            counters_.deflated_frames.add();
            return frame;
        }
    }
    return framed(encode_frame(opcode, payload));
}

Frame WebSocketFraming::text(Session& session, std::string_view text, Word) const {
    return message(session, Opcode::text, text);
}

Frames WebSocketFraming::publication(Session& session, const Publication& publication, bool) const {
    const SharedFrame& shared = publication->frame;
    if (takes_deflated(session, shared.payload().size())) {
        if (const Frame& frame = shared.deflated(*compressors_.deflater)) {
            counters_.deflated_frames.add();
            return {frame};
        }
    }
    return {Frame(publication, &shared.bytes())};
}

Frame WebSocketFraming::farewell(const Session& session, const Farewell& farewell) const {
    std::string last;
    if (session.binding->route->dialect == dsl::Dialect::native && !session.unwrapped)
        last = encode_frame(Opcode::text, bye_text(farewell));
    const std::string& why = farewell.because.empty() ? farewell.reason : farewell.because;
    return framed(last + close_frame(farewell.code, why));
}

const Frame& WebSocketFraming::heartbeat() const {
    static const Frame ping = framed(encode_frame(Opcode::ping, ""));
    return ping;
}

// --- Server-Sent Events ---

Frame EventStreamFraming::text(Session& session, std::string_view text, Word word) const {
    const std::string id = word == Word::beginning ? stream_id(session, nullptr) : "";
    return framed(id + sse_event(text));
}

// The id is this stream's own, and goes before what all share. Where messages may be left out for a slow
// reader, the two are one frame, or one of them could go without the other.
Frames EventStreamFraming::publication(Session& session, const Publication& publication, bool as_one) const {
    counters_.stream_events.add();
    const Frame& event = publication->frame.event();
    if (publication->position.epoch == 0) return {event};
    std::string id = stream_id(session, publication.get());
    if (as_one) return {framed(id + *event)};
    return {framed(std::move(id)), event};
}

Frame EventStreamFraming::position(Session& session) const {
    const std::string id = stream_id(session, nullptr);
    // Where nothing is left to come back for, the browser is to forget the id that it has.
    return framed((id.empty() ? sse_id("") : id) + "\n");
}

std::string EventStreamFraming::stream_id(Session& session, const Message* sent) const {
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
            const Replay* replay = replay_of(session, &channel);
            if (!replay) continue;
            position = replay->announced ? Position{replay->epoch, replay->after}
                                         : replay->since.value_or(Position{});
        }
        const bool wanted = position.epoch != 0 && !(sent && sent->channel == channel.name);
        if (wanted && !positions.add(mark_of(channel), position)) break;
    }
    return positions.empty() ? "" : sse_id(positions.id());
}

// A browser comes again whatever is said, unless it is refused at the door. A token that has run out is
// refused there, or has been renewed.
Frame EventStreamFraming::farewell(const Session&, const Farewell& farewell) const {
    const bool returns = farewell.reconnect_ms >= 0;
    std::string out;
    if (returns) out = sse_retry(farewell.reconnect_ms);
    if (!returns && farewell.code != default_close(Reason::expired)) out = sse_id(sse_farewell_id);
    return framed(out + sse_event(bye_text(farewell)));
}

const Frame& EventStreamFraming::heartbeat() const {
    static const Frame comment = framed(std::string(sse_heartbeat));
    return comment;
}

}  // namespace wayleave
