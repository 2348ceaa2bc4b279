#include "daemon/session/client_messages.h"

namespace wayleave {

ClientMessages::ClientMessages(const SessionTable& sessions, const Bindings& bindings, Reload& reload,
                               NativeDialect& native, FoldedStreams& streams, LimitTable& limits,
                               const WebSocketFraming& web_socket, PostRelay& relay, Closing& closing,
                               ConnectionLog& log, Outbox& outbox, Replies& replies, Counters& counters)
    : sessions_(sessions),
      bindings_(bindings),
      reload_(reload),
      native_(native),
      streams_(streams),
      limits_(limits),
      web_socket_(web_socket),
      relay_(relay),
      closing_(closing),
      log_(log),
      outbox_(outbox),
      replies_(replies),
      counters_(counters) {}

void ClientMessages::handle(Session& session, std::string_view payload, bool binary, uint64_t relay,
                            Now now) {
    counters_.messages_in.add();
    ++session.messages_in;
    log_.set_handled({"message", {}});
    decide(session, payload, binary, relay, now);
    log_.set_handled({});
}

bool ClientMessages::may_go_on(Session& session, Now now) {
    if (!reload_.rebind(session, now)) reload_.close_pending(session, now);
    return session.state == Session::State::open;
}

void ClientMessages::decide(Session& session, std::string_view payload, bool binary, uint64_t relay,
                            Now now) {
    if (!reload_.rebind(session, now)) return reload_.close_pending(session, now);
    if (session.state != Session::State::open) return;  // what the new policy had to say was too much for it
    const dsl::Route& route = *session.binding->route;
    if (route.dialect == dsl::Dialect::native && !binary && !session.unwrapped)
        return native_.handle(session, payload, relay, now);
    raw(session, payload, binary, now);
}

void ClientMessages::raw(Session& session, std::string_view payload, bool binary, Now now) {
    log_.begin_handling(session, {"message", {}}, payload.size());
    dsl::Request request = request_for(view_of(session, now));
    request.message_size = static_cast<int64_t>(payload.size());
    request.message_binary = binary;
    const auto& list = session.binding->route->limits;
    if (auto limited = draw_messages(view_of(session, now), list, request, limits_, now))
        return replies_.reject(session, {}, std::move(*limited), now);
    if (session.unwrapped) return streams_.pass_on(session, payload, binary, request, now);
    if (session.binding->route->dialect == dsl::Dialect::native)
        return replies_.reject(session, {}, bad_message("this dialect speaks JSON text, not binary"), now);
    outbox_.send(session, web_socket_.message(session, binary ? Opcode::binary : Opcode::text, payload), now);
}

// Who knows a session's id and is somebody else learns no more than who guesses one.
void ClientMessages::handle_relayed(const RelayedMessage& relayed, Now now) {
    Session* session = sessions_.find(relay_.find(relayed.session));
    // The door has judged by the policy in force; the session may not have come to its turn yet.
    const bool same = session && session->state == Session::State::open && reload_.rebind(*session, now) &&
                      session->binding->route->name == relayed.route && session->user == relayed.user &&
                      (session->token != 0) == relayed.has_token;
    if (!same) {
        counters_.refuse(Reason::unknown_route);
        return relay_.refuse(relayed, 404, "unknown_session",
                             "there is no such session of yours here; open the stream again");
    }
    if (relay_.is_full(relayed.session)) {
        counters_.refuse(Reason::limited);
        return relay_.refuse(relayed, 429, to_string(Reason::limited),
                             "too many messages wait for their answers");
    }
    const bool same_policy = relayed.runtime == bindings_.shared();
    const uint64_t number = relay_.begin(relayed, same_policy ? relayed.who : nullptr);
    handle(*session, relayed.message, false, number, now);
    closing_.end_marked(now);
    if (session->state != Session::State::open || session->abort_listed) relay_.end(relayed.session);
}

}  // namespace wayleave
