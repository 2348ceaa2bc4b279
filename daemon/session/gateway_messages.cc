// What a client says after the upgrade.
#include <algorithm>
#include <array>

#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

// Pings, pongs and `$ping` are not messages to a policy's limits; a client still may not keep us busy with
// them.
constexpr int64_t control_ms = 100;  // the time that each is good for: 10 a second
constexpr int64_t controls_at_once = 50;

// What a POST subscribes to comes back with the ids of events.
bool has_room_for_name(const Session& session, std::string_view channel) {
    size_t bytes = 1 + channel.size();
    for (const std::string& name : session.events->posted) bytes += 1 + name.size();
    return bytes <= StreamPositions::most_name_bytes;
}

}  // namespace

ConnectionView view_of(const Session& session, Now now) {
    return {*session.binding->runtime->policy,
            *session.binding->route,
            session.facts,
            session.binding->residual,
            session.number,
            now.steady_ms - session.opened_ms,
            static_cast<int64_t>(session.subscriptions.size())};
}

std::optional<Position> position_of(const MessageParser::Member& since) {
    simdjson::dom::object object;
    std::string_view text;
    int64_t offset = 0;
    if (since.value.get(object) != simdjson::SUCCESS || object["epoch"].get(text) != simdjson::SUCCESS ||
        object["offset"].get(offset) != simdjson::SUCCESS || offset < 0)
        return std::nullopt;
    // One that is none of ours is another epoch than any.
    return Position{parse_epoch(text).value_or(0), static_cast<uint64_t>(offset)};
}

void Gateway::Impl::read_frames(Session& session, std::span<char> bytes, Now now) {
    if (session.stream) {  // nothing can follow its request
        counters.refuse(Reason::bad_request);
        return abort(session);
    }
    session.last_heard_ms = now.steady_ms;
    Inflater* inflater = session.deflate_bits > 0 ? inflater_.get() : nullptr;
    for (;;) {
        const dsl::Route& route = *session.binding->route;
        const WsEvent event = session.decoder.next(bytes, {route.max_message, route.max_fragments, inflater});
        const bool more = handle(session, event, now);
        end_marked(now);  // what comes next is said to a session that has ended
        if (!more) break;
    }
    const bool incomplete = session.decoder.mid_message() && session.state == Session::State::open;
    if (!incomplete) {
        session.message_since_ms = 0;
    } else if (session.message_since_ms == 0) {
        session.message_since_ms = now.steady_ms;
        reschedule(session, now);
    }
}

// False when there is nothing more to read.
bool Gateway::Impl::handle(Session& session, const WsEvent& event, Now now) {
    if (std::holds_alternative<WsNeedMore>(event) || session.abort_listed) return false;
    if (const auto* close = std::get_if<WsClose>(&event)) {
        if (session.state == Session::State::closing) {
            session.last_bytes = true;  // both have said it
            list_flush(session);
        } else {
            session.state = Session::State::closing;
            note_ending(session, "client", "the client has closed it");
            session.ending->code = close->code;
            leave_channels(session, now);
            send_last(session, close_frame(close->code, ""));
            session.close_by_ms = now.steady_ms + runtime_->settings.close_timeout_ms;
            reschedule(session, now);
        }
        return false;
    }
    if (const auto* error = std::get_if<WsError>(&event)) {
        fail(session, *error, now);
        return false;
    }
    if (session.state != Session::State::open)
        return true;  // on our way out: nothing that is said now counts
    if (const auto* ping = std::get_if<WsPing>(&event)) {
        control(session, now);
        send(session, framed(encode_frame(Opcode::pong, ping->payload)), now);
    } else if (std::holds_alternative<WsPong>(event)) {
        control(session, now);
    } else if (const auto* text = std::get_if<WsMessage>(&event)) {
        session.message_since_ms = 0;
        if (text->compressed) {
            counters.inflated_messages.add();
            counters.inflated_bytes.add(text->payload.size());
        }
        message(session, text->payload, text->binary, 0, now);
    }
    return true;
}

// RFC 6455 7.1.7: nothing more is read, so that a close frame of the client would not be seen either. Ours is
// the last of it.
void Gateway::Impl::fail(Session& session, const WsError& error, Now now) {
    if (session.state == Session::State::open) close_for_error(session, error, now);
    end_marked(now);
    if (session.abort_listed) return;
    session.last_bytes = true;
    list_flush(session);
}

void Gateway::Impl::close_for_error(Session& session, const WsError& error, Now now) {
    const Reason reason = error.code == 1009 ? Reason::too_big : Reason::bad_request;
    Rejection rejection = Rejection::of(reason, std::string(error.reason));
    if (reason == Reason::too_big) return end(session, std::move(rejection), now);
    refused(session.binding->runtime->policy.get(), session.binding->route, rejection);
    note_ending(session, rejection);
    if (auto banned = count_refusal(session, reason, now)) return end(session, std::move(*banned), now);
    close(session, error.code, to_string(reason), error.reason, -1, now);
}

void Gateway::Impl::control(Session& session, Now now) {
    if (session.state != Session::State::open) return;
    session.controls_ms = std::max(session.controls_ms, now.steady_ms) + control_ms;
    if (session.controls_ms <= now.steady_ms + control_ms * controls_at_once) return;
    Rejection rejection = Rejection::of(Reason::limited, "too many pings");
    refused(session.binding->runtime->policy.get(), session.binding->route, rejection);
    note_ending(session, rejection);
    close(session, 1008, "limited", rejection.because, -1, now);
}

void Gateway::Impl::message(Session& session, std::string_view payload, bool binary, uint64_t relay,
                            Now now) {
    counters.messages_in.add();
    ++session.messages_in;
    handled_ = {"message", {}};
    take_message(session, payload, binary, relay, now);
    handled_ = {};
}

void Gateway::Impl::take_message(Session& session, std::string_view payload, bool binary, uint64_t relay,
                                 Now now) {
    if (!rebind(session, now)) return close_pending(session, now);
    if (session.state != Session::State::open) return;  // what the new policy had to say was too much for it
    const dsl::Route& route = *session.binding->route;
    if (route.dialect == dsl::Dialect::native && !binary) return native(session, payload, relay, now);
    dsl::Request request = request_for(view_of(session, now));
    request.message_size = static_cast<int64_t>(payload.size());
    request.message_binary = binary;
    if (!within_limits(session, request, {}, now)) return;
    if (route.dialect == dsl::Dialect::native)
        return reject(session, {}, bad_message("this dialect speaks JSON text, not binary"), now);
    send_message(session, binary ? Opcode::binary : Opcode::text, payload, now);
}

void Gateway::Impl::native(Session& session, std::string_view payload, uint64_t relay, Now now) {
    const auto parsed = parser_.parse(payload);
    const bool known = parsed.ok();
    const ReplyTo re{std::string(parser_.id()), relay};
    if (const auto it = errands_.find(relay); it != errands_.end()) it->second.id = re.id;
    if (relay != 0 && !session.stream && !(known && parsed.value()->type == "$auth"))
        return reject(session, re,
                      Rejection::of(Reason::unknown_message,
                                    "a WebSocket speaks for itself; by POST it takes `$auth` alone"),
                      now);
    if (known && parsed.value()->type == "$ping") {
        control(session, now);
        return reply(session, re, pong_text(re.id), now);
    }
    dsl::Request request = request_for(view_of(session, now));
    request.message_size = static_cast<int64_t>(payload.size());
    if (known) {
        request.message_type = parsed.value()->type;
        handled_ = handled_in(*parsed.value());
    }
    // Before anything is decided, and also for what cannot be understood: refused messages count.
    if (!within_limits(session, request, re, now)) return;
    if (!known) return reject(session, re, bad_message(std::string(parsed.error())), now);
    if (request.message_type.starts_with('$'))
        return system_message(session, *parsed.value(), re, request, now);
    application_message(session, *parsed.value(), re, request, now);
}

// `$subscribe` to a channel, or a message of the application by its type.
Gateway::Impl::Handled Gateway::Impl::handled_in(const MessageParser::Message& message) {
    if (!message.type.starts_with('$')) return {"message", message.type};
    static constexpr std::array<std::string_view, 7> actions = {"subscribe", "unsubscribe", "publish", "ack",
                                                                "history",   "presence",    "auth"};
    for (const std::string_view action : actions)
        if (message.type.substr(1) == action) return {action, text_member(message, "channel")};
    return {"message", message.type};
}

void Gateway::Impl::system_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                   dsl::Request& request, Now now) {
    if (message.type == "$subscribe") return subscribe(session, message, re, request, now);
    if (message.type == "$unsubscribe") return unsubscribe(session, message, re, now);
    if (message.type == "$publish") return publish_by_name(session, message, re, request, now);
    if (message.type == "$ack") return acknowledge(session, message, re, now);
    if (message.type == "$history") return history(session, message, re, request, now);
    if (message.type == "$presence") return presence(session, message, re, request, now);
    if (message.type == "$auth") return authenticate(session, message, re, now);
    reject(session, re, Rejection::of(Reason::unknown_message, "the server knows no message of this type"),
           now);
}

void Gateway::Impl::application_message(Session& session, const MessageParser::Message& message,
                                        const ReplyTo& re, dsl::Request& request, Now now) {
    MessageAuthorization judged = authorize_message(
        view_of(session, now), message, request,
        [&](std::string_view channel) -> const dsl::ChannelRules& { return rules_of(channel, now); }, limits,
        now);
    shadow_message(session, message, request, judged, now);
    if (judged.rejection) return reject(session, re, std::move(*judged.rejection), now);
    // All are known to be good before anything is published.
    publish_all(session, re, std::move(judged.drafts), now);
}

void Gateway::Impl::subscribe(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                              dsl::Request& request, Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return reject(session, re, bad_message(no_channel(message)), now);
    const MessageParser::Member* since = message.find("since");
    const auto position = since ? position_of(*since) : std::nullopt;
    if (since && !position) return reject(session, re, bad_message("`since` is { epoch, offset }"), now);
    request.channel = &*channel;
    Channel* known = hub_.find(channel->text);
    // To recover a channel that one is in already needs no leave.
    if (since && known && hub_.subscriber(session, *known)) return begin(session, *known, re, position, now);
    const bool again = known && hub_.subscriber(session, *known);
    SubscribeAuthorization judged =
        authorize_subscribe(view_of(session, now), request, rules_of(channel->text, now), again, limits);
    if (!again && judged.allowed() && re.relay != 0 && !has_room_for_name(session, channel->text)) {
        for (const std::string& key : judged.entered) limits.leave(key);
        judged.rejection = Rejection::of(
            Reason::limited,
            "the ids of this stream's events have no room for more channels; name them in its address");
    }
    shadow_decision(session, "subscribe", &dsl::Route::subscribe, request, judged, now);
    if (judged.rejection) return reject(session, re, std::move(*judged.rejection), now);
    if (!again) known = enter_channel(session, channel->text, false, now);
    if (!again && re.relay != 0) session.events->posted.emplace_back(channel->text);
    for (std::string& key : judged.entered) session.counted.push_back({known, std::move(key)});
    begin(session, *known, re, position, now);
    if (re.relay != 0) send_event_id(session, now);
}

void Gateway::Impl::unsubscribe(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return reject(session, re, bad_message(no_channel(message)), now);
    const dsl::Lane lane = rules_of(channel->text, now).lane;  // behind the channel's own messages
    if (Channel* known = hub_.find(channel->text)) answer_waiting(session, *known, now);
    if (!leave_channel(session, channel->text, now)) {
        return reject(session, re, bad_message("there is no subscription to this channel"), now);
    }
    reply(session, re, subscription_text("$unsubscribed", re.id, channel->text), now, lane);
    if (re.relay != 0) send_event_id(session, now);
}

void Gateway::Impl::publish_by_name(Session& session, const MessageParser::Message& message,
                                    const ReplyTo& re, dsl::Request& request, Now now) {
    const auto asked = parse_publication(message);
    if (!asked) return reject(session, re, bad_message(asked.error().because), now);
    request.message_size = static_cast<int64_t>(asked->size);
    request.channel = &asked->channel;
    PublishAuthorization judged = authorize_publish(view_of(session, now), message, *asked, request,
                                                    rules_of(asked->channel.text, now));
    shadow_decision(session, "publish", &dsl::Route::publish, request, judged, now);
    if (judged.rejection) return reject(session, re, std::move(*judged.rejection), now);
    std::vector<Draft> drafts;
    drafts.push_back(std::move(judged.draft));
    publish_all(session, re, std::move(drafts), now);
}

bool Gateway::Impl::within_limits(Session& session, const dsl::Request& request, const ReplyTo& re, Now now) {
    const auto rejection =
        draw_messages(view_of(session, now), session.binding->route->limits, request, limits, now);
    if (rejection) reject(session, re, *rejection, now);
    return !rejection;
}

void Gateway::Impl::reject(Session& session, const ReplyTo& re, Rejection rejection, Now now) {
    const dsl::Route& route = *session.binding->route;
    const dsl::Outcome outcome = outcome_of(&route, rejection, dsl::Phase::session);
    if (outcome.kind == dsl::OutcomeKind::close) return end(session, std::move(rejection), now);
    refused(session.binding->runtime->policy.get(), &route, rejection);
    tell_refused(session, rejection, now);
    if (auto banned = count_refusal(session, rejection.reason, now))
        return end(session, std::move(*banned), now);
    if (outcome.kind == dsl::OutcomeKind::drop)
        return re.relay != 0 ? answer_relayed(re.relay, 0, {}) : void();
    if (route.dialect != dsl::Dialect::native)
        return close(session, default_close(rejection.reason), to_string(rejection.reason), rejection.because,
                     -1, now);
    const std::string text =
        error_text(re.id, outcome.name.empty() ? to_string(rejection.reason) : std::string_view(outcome.name),
                   rejection, route.detail);
    if (re.relay != 0) return answer_relayed(re.relay, default_status(rejection.reason), text);
    send_text(session, text, now);
}

void Gateway::Impl::confirm(Session& session, const ReplyTo& re, Now now) {
    if (re.wanted()) reply(session, re, ok_text(re.id), now);
}

}  // namespace wayleave
