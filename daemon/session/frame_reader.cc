#include "daemon/session/frame_reader.h"

namespace wayleave {

void FrameReader::read(Session& session, std::span<char> bytes, Now now) {
    if (session.stream) {  // nothing can follow its request
        counters_.refuse(Reason::bad_request);
        return outbox_.abort(session);
    }
    session.last_heard_ms = now.steady_ms;
    if (session.tunnelled) {
        const bool open = session.state == Session::State::open && messages_.may_go_on(session, now);
        return open ? tunnels_.from_client(session, {bytes.data(), bytes.size()}) : closing_.end_marked(now);
    }
    Inflater* inflater = session.deflate_bits > 0 ? compressors_.inflater.get() : nullptr;
    for (;;) {
        const dsl::Route& route = *session.binding->route;
        const WsEvent event = session.decoder.next(bytes, {route.max_message, route.max_fragments, inflater});
        const bool more = handle(session, event, now);
        closing_.end_marked(now);  // what comes next is said to a session that has ended
        if (!more) break;
    }
    const bool incomplete = session.decoder.mid_message() && session.state == Session::State::open;
    if (!incomplete) {
        session.message_since_ms = 0;
    } else if (session.message_since_ms == 0) {
        session.message_since_ms = now.steady_ms;
        deadlines_.reschedule(session, now);
    }
}

// False when there is nothing more to read.
bool FrameReader::handle(Session& session, const WsEvent& event, Now now) {
    if (std::holds_alternative<WsNeedMore>(event) || session.abort_listed) return false;
    if (const auto* close = std::get_if<WsClose>(&event)) {
        closing_.peer_closed(session, close->code, now);
        return false;
    }
    if (const auto* error = std::get_if<WsError>(&event)) {
        fail(session, *error, now);
        return false;
    }
    if (session.state != Session::State::open)
        return true;  // on our way out: nothing that is said now counts
    if (const auto* ping = std::get_if<WsPing>(&event)) {
        closing_.count_control(session, now);
        outbox_.send(session, framed(encode_frame(Opcode::pong, ping->payload)), now);
    } else if (std::holds_alternative<WsPong>(event)) {
        closing_.count_control(session, now);
    } else if (const auto* text = std::get_if<WsMessage>(&event)) {
        session.message_since_ms = 0;
        if (text->compressed) {
            counters_.inflated_messages.add();
            counters_.inflated_bytes.add(text->payload.size());
        }
        messages_.handle(session, text->payload, text->binary, 0, now);
    }
    return true;
}

// RFC 6455 7.1.7: nothing more is read, so that a close frame of the client would not be seen either. Ours is
// the last of it.
void FrameReader::fail(Session& session, const WsError& error, Now now) {
    if (session.state == Session::State::open) close_for_error(session, error, now);
    closing_.end_marked(now);
    if (session.abort_listed) return;
    outbox_.finish(session);
}

void FrameReader::close_for_error(Session& session, const WsError& error, Now now) {
    const Reason reason = error.code == 1009 ? Reason::too_big : Reason::bad_request;
    Rejection rejection = Rejection::of(reason, std::string(error.reason));
    if (reason == Reason::too_big) return outbox_.end(session, std::move(rejection), now);
    log_.refused(session, rejection);
    log_.note_ending(session, rejection);
    if (auto banned = ban_counter_.count_refusal(session, reason, now))
        return outbox_.end(session, std::move(*banned), now);
    closing_.close(session, {error.code, std::string(to_string(reason)), std::string(error.reason), -1}, now);
}

}  // namespace wayleave
