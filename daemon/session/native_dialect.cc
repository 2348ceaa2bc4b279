#include "daemon/session/native_dialect.h"

#include <algorithm>

#include <array>

#include "daemon/base/json_writer.h"
#include "daemon/message/sse.h"
#include "daemon/session/held_messages.h"
#include "daemon/session/message_members.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t longest_name_as_id = 120;  // of a channel; `$id` is bounded

// An acknowledgement for each message that was sent to be acknowledged is no message to the limits.
bool is_free(Session& session, std::string_view type) {
    if (type != "$ack" || session.acks_due == 0) return false;
    --session.acks_due;
    return true;
}

// What a POST subscribes to comes back with the ids of events.
bool has_room_for_name(const Session& session, std::string_view channel) {
    size_t bytes = 1 + channel.size();
    for (const std::string& name : session.events->posted) bytes += 1 + name.size();
    return bytes <= StreamPositions::most_name_bytes;
}

// `$subscribe` to a channel, or a message of the application by its type.
Handled handled_in(const MessageParser::Message& message) {
    if (!message.stream.empty()) return {"stream", message.stream};
    if (!message.type.starts_with('$')) return {"message", message.type};
    static constexpr std::array<std::string_view, 7> actions = {"subscribe", "unsubscribe", "publish", "ack",
                                                                "history",   "presence",    "auth"};
    for (const std::string_view action : actions)
        if (message.type.substr(1) == action) return {action, text_member(message, "channel")};
    return {"message", message.type};
}

}  // namespace

NativeDialect::NativeDialect(LimitTable& limits, Hub& hub, Subscriptions& subscriptions, Replayer& replayer,
                             const EventStreamFraming& event_stream, SubscriptionOrders& orders,
                             ChannelQueries& queries, Authentication& authentication, Grants& grants,
                             Vouchers& vouchers, Publisher& publisher, Forwarder& forwarder,
                             FoldedStreams& streams, ShadowComparison& shadow, PostRelay& relay,
                             Closing& closing, ConnectionLog& log, Outbox& outbox, Replies& replies)
    : limits_(limits),
      hub_(hub),
      subscriptions_(subscriptions),
      replayer_(replayer),
      event_stream_(event_stream),
      orders_(orders),
      queries_(queries),
      authentication_(authentication),
      grants_(grants),
      vouchers_(vouchers),
      publisher_(publisher),
      forwarder_(forwarder),
      streams_(streams),
      shadow_(shadow),
      relay_(relay),
      closing_(closing),
      log_(log),
      outbox_(outbox),
      replies_(replies) {}

void NativeDialect::handle(Session& session, std::string_view payload, uint64_t relay, Now now) {
    const auto parsed = parser_.parse(payload, !session.binding->route->streams.empty());
    const bool known = parsed.ok();
    const ReplyTo re{std::string(parser_.id()), relay};
    relay_.note_id(relay, re.id);
    if (relay != 0 && !session.stream && !(known && parsed.value()->type == "$auth"))
        return replies_.reject(session, re,
                               Rejection::of(Reason::unknown_message,
                                             "a WebSocket speaks for itself; by POST it takes `$auth` alone"),
                               now);
    if (known && parsed.value()->type == "$ping") {
        closing_.count_control(session, now);
        return replies_.reply(session, re, pong_text(re.id), now);
    }
    dsl::Request request = request_for(view_of(session, now));
    request.message_size = static_cast<int64_t>(payload.size());
    if (known) {
        request.message_type = parsed.value()->type;
        log_.begin_handling(session, handled_in(*parsed.value()), payload.size());
    }
    // Before anything is decided, and also for what cannot be understood: refused messages count.
    const auto& list = session.binding->route->limits;
    if (!is_free(session, request.message_type)) {
        if (auto limited = draw_messages(view_of(session, now), list, request, limits_, now))
            return replies_.reject(session, re, std::move(*limited), now);
    }
    if (!known) return replies_.reject(session, re, bad_message(std::string(parsed.error())), now);
    if (!parsed.value()->stream.empty()) return streams_.handle(session, *parsed.value(), re, request, now);
    if (names_channels(*parsed.value())) return take_apart(session, *parsed.value(), re, now);
    if (WaitingSubscribe* before = waiting_before(session, *parsed.value())) {
        if (auto why = hold_behind(session, *before, {std::string(payload), relay}))
            replies_.reject(session, re, std::move(*why), now);
        return;
    }
    if (request.message_type.starts_with('$'))
        return system_message(session, *parsed.value(), re, request, now);
    application_message(session, *parsed.value(), re, request, now);
}

// Each channel is answered for itself, as if it had come alone; but the limits count what came.
void NativeDialect::take_apart(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                               Now now) {
    auto parts = parts_of(message);
    if (!parts) return replies_.reject(session, re, bad_message(parts.error()), now);
    relay_.expect(re.relay, parts->size());
    for (std::string& part : *parts) {
        if (session.state != Session::State::open) return;
        take_turn(session, {std::move(part), re.relay}, now);
    }
}

// Unless its channel waits for somebody's word: then behind what came before it.
void NativeDialect::take_turn(Session& session, HeldMessage message, Now now) {
    const auto parsed = parser_.parse(message.text);
    WaitingSubscribe* before = parsed ? waiting_before(session, *parsed.value()) : nullptr;
    if (!before) return resume_one(session, message, now);
    const ReplyTo re{std::string(parser_.id()), message.relay,
                     std::string(text_member(*parsed.value(), "channel"))};
    if (auto why = hold_behind(session, *before, std::move(message)))
        replies_.reject(session, re, std::move(*why), now);
}

void NativeDialect::system_message(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                   dsl::Request& request, Now now) {
    if (message.type == "$subscribe") return subscribe(session, message, re, request, now);
    if (message.type == "$unsubscribe") return unsubscribe(session, message, re, now);
    if (message.type == "$publish") return publish_by_name(session, message, re, request, now);
    if (message.type == "$ack") return queries_.acknowledge(session, message, re, now);
    if (message.type == "$history") return queries_.history(session, message, re, request, now);
    if (message.type == "$presence") return queries_.presence(session, message, re, request, now);
    if (message.type == "$auth") return authentication_.authenticate(session, message, re, now);
    replies_.reject(session, re,
                    Rejection::of(Reason::unknown_message, "the server knows no message of this type"), now);
}

void NativeDialect::application_message(Session& session, const MessageParser::Message& message,
                                        const ReplyTo& re, dsl::Request& request, Now now) {
    MessageAuthorization judged = authorize_message(
        view_of(session, now), message, request,
        [&](std::string_view channel) -> const dsl::ChannelRules& {
            return subscriptions_.adopt_policy(channel, now);
        },
        [&](std::string_view channel) { return orders_.keys_of(session, channel); }, limits_, now);
    session.binding->counters->count(judged.block);
    if (judged.allowed() && !publisher_.has_room(session, judged.drafts.size())) {
        give_back(judged.places, limits_);
        judged.rejection = Publisher::no_room();
    }
    shadow_.message(session, message, request, judged, now);
    if (!judged.rejection && judged.forward)
        judged.rejection = forwarder_.admit(session, static_cast<size_t>(request.message_size));
    shadow_.order(session, judged.order, request, now);
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    // All is known to be good before anything is done.
    orders_.carry_out(session, judged.order, std::move(judged.places), now);
    if (session.state != Session::State::open) return;  // too slow for the news
    // Of a message that goes to a backend its answer is the client's.
    const ReplyTo own = judged.forward ? ReplyTo{} : re;
    std::vector<std::string> replies;
    for (const std::string& members : judged.replies) replies.push_back(reply_text(own.id, members));
    publisher_.publish(session, own, std::move(judged.drafts), now, std::move(replies));
    if (!judged.forward || session.state != Session::State::open) return;
    const Stamps stamps = stamps_of(session.binding->route->program, *judged.block, request);
    forwarder_.forward(session, re, judged, published_members(message.members, stamps), now);
}

void NativeDialect::subscribe(Session& session, const MessageParser::Message& message, ReplyTo re,
                              dsl::Request& request, Now now) {
    re.channel = text_member(message, "channel");
    const auto channel = dsl::split_channel(re.channel);
    if (!channel) return replies_.reject(session, re, bad_message(no_channel(message)), now);
    const MessageParser::Member* since = message.find("since");
    const auto position = since ? position_of(*since) : std::nullopt;
    if (since && !position)
        return replies_.reject(session, re, bad_message("`since` is { epoch, offset }"), now);
    request.channel = &*channel;
    auto looked = grants_.look(session, message, re, known_.proofs, now);
    if (std::holds_alternative<Grants::Waits>(looked)) return;
    if (auto* why = std::get_if<Rejection>(&looked))
        return replies_.reject(session, re, std::move(*why), now);
    const auto* brought = std::get_if<Grants::Brought>(&looked);
    Channel* known = hub_.find(channel->text);
    const bool again = known && hub_.subscriber(session, *known);
    // To recover a channel that one is in already needs no leave.
    if (since && again && !brought) return replayer_.begin(session, *known, re, position, now);
    const HeldGrant* grant = brought ? &brought->grant : held_grant(session, known);
    const auto facts = grant ? grant_facts(*grant, *session.binding->route) : std::vector<dsl::Value>();
    request.grant = facts;
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel->text, now);
    SubscribeAuthorization judged =
        authorize_subscribe(view_of(session, now), request, rules, again, limits_);
    Vouchers::Looked ruling;
    if (judged.asks) {
        ruling = vouchers_.look(session, message, re.relay, request, judged.verdict, known_, now);
        if (std::holds_alternative<Vouchers::Waits>(ruling)) return;
        if (auto* why = std::get_if<Rejection>(&ruling)) {
            judged.rejection = std::move(*why);
        } else {
            request.vouched = judged.verdict;
            judged = authorize_subscribe(view_of(session, now), request, rules, again, limits_);
        }
    }
    const auto give_back = [&](Rejection rejection) {
        for (const std::string& key : judged.entered) limits_.leave(key);
        judged.entered.clear();
        judged.rejection = std::move(rejection);
    };
    if (!again && judged.allowed() && re.relay != 0 && !has_room_for_name(session, channel->text))
        give_back(Rejection::of(
            Reason::limited,
            "the ids of this stream's events have no room for more channels; name them in its address"));
    shadow_.subscription(session, request, judged, grant, message.find("token") != nullptr, now);
    const bool by_grant = judged.allowed() && brought && needs_grant(*session.binding->route, judged.verdict);
    if (by_grant) {
        auto used = grants_.use(session, message, re, *brought, known, known_.proofs, now);
        if (auto* why = std::get_if<Rejection>(&used)) give_back(std::move(*why));
        if (std::holds_alternative<Grants::Waits>(used)) {
            for (const std::string& key : judged.entered) limits_.leave(key);
            return;
        }
    }
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    if (!again) known = subscriptions_.enter(session, channel->text, Entered::by_client, now);
    if (!again && re.relay != 0) session.events->posted.emplace_back(channel->text);
    for (std::string& key : judged.entered) session.counted.push_back({known, std::move(key)});
    if (by_grant) grants_.keep(session, *known, brought->grant, now);
    if (judged.vouched) {
        vouchers_.keep(session, *known, std::get<Vouchers::Yes>(ruling));
    } else {
        subscriptions_.forget_voucher(session, known);
    }
    // Nothing of what it hears begins anew with a fresh grant.
    if (again && by_grant && !since) {
        const dsl::ChannelRules& own = subscriptions_.adopt_policy(*known, now);
        replies_.reply(session, re, subscribed_text(re.id, subscribed_to(session, *known, own)), now,
                       own.lane, Word::beginning);
        return;
    }
    replayer_.begin(session, *known, re, position, now);
    if (re.relay != 0) send_event_id(session, now);
}

void NativeDialect::resume(Session& session, WaitingSubscribe waiting, const Ruled* ruled, Now now) {
    known_ = {std::move(waiting.awaiting.answers), ruled};
    resume_one(session, waiting.message, now);
    known_.proofs.clear();
    for (HeldMessage& held : waiting.behind) {
        if (session.state != Session::State::open) break;
        if (WaitingSubscribe* before = waiting_for(session, waiting.channel)) {
            // It has waited already, and there was room for it.
            session.grants->waiting_bytes += held.text.size();
            before->behind.push_back(std::move(held));
        } else {
            resume_one(session, held, now);
        }
    }
    known_ = {};
}

// The limits have counted it when it came.
void NativeDialect::resume_one(Session& session, const HeldMessage& held, Now now) {
    const auto parsed = parser_.parse(held.text);
    const ReplyTo re{std::string(parser_.id()), held.relay};
    if (!parsed) return replies_.reject(session, re, bad_message(std::string(parsed.error())), now);
    log_.set_handled(handled_in(*parsed.value()));
    dsl::Request request = request_for(view_of(session, now));
    request.message_type = parsed.value()->type;
    request.message_size = static_cast<int64_t>(held.text.size());
    system_message(session, *parsed.value(), re, request, now);
    log_.set_handled({});
}

// As `$subscribe` does, with what the id says as `since`. The client has said one thing only, so this is no
// message that a limit counts.
void NativeDialect::subscribe_by_address(Session& session, const std::string& channel, Now now) {
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
        return replies_.reject(session, {std::string(parser_.id())}, bad_message(std::string(parsed.error())),
                               now);
    dsl::Request request = request_for(view_of(session, now));
    request.message_type = parsed.value()->type;
    subscribe(session, *parsed.value(), {std::string(parser_.id())}, request, now);
}

void NativeDialect::unsubscribe(Session& session, const MessageParser::Message& message, ReplyTo re,
                                Now now) {
    re.channel = text_member(message, "channel");
    const auto channel = dsl::split_channel(re.channel);
    if (!channel) return replies_.reject(session, re, bad_message(no_channel(message)), now);
    const dsl::Lane lane =
        subscriptions_.adopt_policy(channel->text, now).lane;  // behind the channel's own messages
    if (Channel* known = hub_.find(channel->text)) replayer_.answer_waiting(session, *known, now);
    if (!subscriptions_.leave(session, channel->text, now)) {
        return replies_.reject(session, re, bad_message("there is no subscription to this channel"), now);
    }
    replies_.reply(session, re, unsubscribed_text(re.id, channel->text), now, lane);
    if (re.relay != 0) send_event_id(session, now);
}

void NativeDialect::publish_by_name(Session& session, const MessageParser::Message& message,
                                    const ReplyTo& re, dsl::Request& request, Now now) {
    const auto asked = parse_publication(message);
    if (!asked) return replies_.reject(session, re, bad_message(asked.error().because), now);
    request.message_size = static_cast<int64_t>(asked->size);
    request.channel = &asked->channel;
    PublishAuthorization judged = authorize_publish(view_of(session, now), message, *asked, request,
                                                    subscriptions_.adopt_policy(asked->channel.text, now));
    shadow_.decision(session, "publish", &dsl::Route::publish, request, judged, now);
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    std::vector<Draft> drafts;
    drafts.push_back(std::move(judged.draft));
    publisher_.publish(session, re, std::move(drafts), now);
}

// Of a stream whose channels a POST has changed.
void NativeDialect::send_event_id(Session& session, Now now) {
    outbox_.send(session, event_stream_.position(session), now);
}

}  // namespace wayleave
