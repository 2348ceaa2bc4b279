#include "daemon/session/channel_queries.h"

#include <algorithm>

#include "daemon/session/message_members.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr uint32_t history_limit = 100;
constexpr uint32_t most_history = 1000;
constexpr size_t history_bytes = 256 << 10;
constexpr uint32_t roster_limit = 1000;

Rejection query_failed(std::string because) {
    return Rejection::of(Reason::unavailable, std::move(because));
}

}  // namespace

ChannelQueries::ChannelQueries(Hub& hub, Broker& broker, Presence& presence, Subscriptions& subscriptions,
                               BrokerRequests& requests, ShadowComparison& shadow, Outbox& outbox,
                               Replies& replies)
    : hub_(hub),
      broker_(broker),
      presence_(presence),
      subscriptions_(subscriptions),
      requests_(requests),
      shadow_(shadow),
      outbox_(outbox),
      replies_(replies) {}

// --- $history ---

void ChannelQueries::history(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                             dsl::Request& request, Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return replies_.reject(session, re, bad_message(no_channel(message)), now);
    int64_t limit = history_limit;
    bool reverse = false;
    const MessageParser::Member* given = message.find("limit");
    if (given && (given->value.get(limit) != simdjson::SUCCESS || limit < 1 || limit > most_history))
        return replies_.reject(session, re, bad_message("`limit` is a number from 1 to 1000"), now);
    given = message.find("reverse");
    if (given && given->value.get(reverse) != simdjson::SUCCESS)
        return replies_.reject(session, re, bad_message("`reverse` is true or false"), now);
    const MessageParser::Member* since = message.find("since");
    const auto position = since ? position_of(*since) : std::nullopt;
    if (since && !position)
        return replies_.reject(session, re, bad_message("`since` is { epoch, offset }"), now);
    request.channel = &*channel;
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(channel->text, now);
    Authorization judged = authorize_history(view_of(session, now), request, rules);
    shadow_.decision(session, "history", &dsl::Route::history, request, judged, now);
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    Query query = query_of(channel->text, rules, now);
    query.since = position;
    query.oldest = query.rest = true;
    query.reverse = reverse;
    query.limit = static_cast<uint32_t>(limit);
    query.bytes = std::min(history_bytes, outbox_.bounds_of(session).bytes / 2);
    const Ticket ticket = requests_.next_ticket(session);
    const auto page = broker_.read(std::move(query), ticket);
    if (page) return answer_history(session, re, *page, now);
    requests_.expect(ticket, {session.id, BrokerRequest::Kind::history, re}, now);
}

void ChannelQueries::answer_history(Session& session, const ReplyTo& re, const Page& page, Now now) {
    if (!page.because.empty()) return replies_.reject(session, re, query_failed(page.because), now);
    replies_.reply(session, re, ok_text(re.id, history_data(page)), now);
}

void ChannelQueries::presence(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                              dsl::Request& request, Now now) {
    const auto channel = dsl::split_channel(text_member(message, "channel"));
    if (!channel) return replies_.reject(session, re, bad_message(no_channel(message)), now);
    request.channel = &*channel;
    Authorization judged =
        authorize_presence(view_of(session, now), request, subscriptions_.adopt_policy(channel->text, now));
    shadow_.decision(session, "presence", &dsl::Route::presence, request, judged, now);
    if (judged.rejection) return replies_.reject(session, re, std::move(*judged.rejection), now);
    const Ticket ticket = requests_.next_ticket(session);
    const auto roster = presence_.present(channel->text, roster_limit, ticket);
    if (roster) return answer_presence(session, re, *roster, now);
    requests_.expect(ticket, {session.id, BrokerRequest::Kind::presence, re}, now);
}

void ChannelQueries::answer_presence(Session& session, const ReplyTo& re, const Roster& roster, Now now) {
    if (!roster.because.empty()) return replies_.reject(session, re, query_failed(roster.because), now);
    replies_.reply(session, re, ok_text(re.id, presence_data(roster)), now);
}

void ChannelQueries::acknowledge(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                 Now now) {
    const std::string_view name = text_member(message, "channel");
    Channel* channel = hub_.find(name);
    if (!channel || !hub_.subscriber(session, *channel))
        return replies_.reject(session, re, bad_message("there is no subscription to this channel"), now);
    const dsl::ChannelRules& rules = subscriptions_.adopt_policy(*channel, now);
    if (!rules.acks || session.user.empty())
        return replies_.reject(session, re,
                               bad_message("this channel takes no acknowledgements of this client"), now);
    int64_t offset = -1;
    const MessageParser::Member* given = message.find("offset");
    if (!given || given->value.get(offset) != simdjson::SUCCESS || offset < 0)
        return replies_.reject(session, re, bad_message("`offset` is that of a message"), now);
    std::optional<uint64_t> epoch = channel->seen.epoch;
    if (const MessageParser::Member* told = message.find("epoch")) {
        std::string_view text;
        epoch = told->value.get(text) == simdjson::SUCCESS ? parse_epoch(text) : std::nullopt;
        if (!epoch) return replies_.reject(session, re, bad_message("`epoch` is that of a message"), now);
    }
    const Ticket ticket = requests_.next_ticket(session);
    const auto receipt = broker_.acknowledge(
        {std::string(name), session.user, {*epoch, static_cast<uint64_t>(offset)}, retention_of(rules), now},
        ticket);
    if (receipt) return answer_acknowledge(session, re, *receipt, now);
    requests_.expect(ticket, {session.id, BrokerRequest::Kind::acknowledge, re}, now);
}

void ChannelQueries::answer_acknowledge(Session& session, const ReplyTo& re, const Receipt& receipt,
                                        Now now) {
    if (receipt.status == Receipt::Status::refused)
        return replies_.reject(session, re, bad_message(receipt.because), now);
    if (receipt.status == Receipt::Status::unavailable)
        return replies_.reject(session, re, query_failed(receipt.because), now);
    replies_.confirm(session, re, now);
}

}  // namespace wayleave
