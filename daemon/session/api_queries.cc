#include "daemon/session/api_queries.h"

#include <charconv>
#include <string>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/decision/authorize.h"
#include "daemon/protocol/http_head.h"
#include "daemon/session/native.h"
#include "daemon/session/subscriptions.h"

namespace wayleave {
namespace {

constexpr uint64_t api_history_limit = 100;
constexpr uint64_t api_most_history = 1000;
constexpr size_t api_history_bytes = 1 << 20;
constexpr uint32_t api_roster_limit = 10'000;

std::optional<uint64_t> number_in(std::string_view text) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "EPOCH:OFFSET"
std::optional<Position> position_in(std::string_view text) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto offset = number_in(text.substr(colon + 1));
    if (!offset) return std::nullopt;
    // One that is none of ours is another epoch than any.
    return Position{parse_epoch(text.substr(0, colon)).value_or(0), *offset};
}

ApiAnswer api_unavailable(const std::string& because) {
    return {503, {}, Rejection::of(Reason::unavailable, because)};
}

std::string json_of(const Progress& progress) {
    JsonObject out;
    if (progress.top.epoch != 0) out.add("epoch", epoch_text(progress.top.epoch));
    return out.add("offset", progress.top.epoch != 0 ? progress.top.offset : 0)
        .add("delivered", progress.delivered)
        .add("acknowledged", progress.acknowledged)
        .text();
}

}  // namespace

std::optional<ApiAnswer> ApiQueries::ask(Session& session, ApiRequest& request, Now now) {
    const auto name = query_value(request.query, "channel");
    const auto channel = name ? dsl::split_channel(*name) : std::nullopt;
    if (!channel) return refuse(request, "the parameter `channel` names a channel", now);
    const ConnectionView view = request.view();
    const dsl::ChannelRules& rules = bindings_.policy().channel_rules(channel->text);
    dsl::Request about = request_for(view);
    about.channel = &*channel;
    // Who may read what a channel keeps may know how far somebody has come in it.
    Authorization judged = request.operation == ApiOperation::presence
                               ? authorize_presence(view, about, rules)
                               : authorize_history(view, about, rules);
    if (judged.rejection) return refuse_request(log_, request, std::move(*judged.rejection), now);
    if (request.operation == ApiOperation::history) return history(session, request, *channel, now);
    if (request.operation == ApiOperation::presence) return presence(session, *channel, now);
    return progress(session, request, *channel, now);
}

std::optional<ApiAnswer> ApiQueries::history(Session& session, ApiRequest& request,
                                             const dsl::ChannelName& channel, Now now) {
    const dsl::ChannelRules& rules = bindings_.policy().channel_rules(channel.text);
    Query query = query_of(channel.text, rules, now);
    const auto limit = query_value(request.query, "limit");
    const auto most = limit ? number_in(*limit) : api_history_limit;
    if (!most || *most < 1 || *most > api_most_history)
        return refuse(request, "`limit` is a number from 1 to 1000", now);
    const auto reverse = query_value(request.query, "reverse");
    if (reverse && *reverse != "true" && *reverse != "false")
        return refuse(request, "`reverse` is true or false", now);
    if (const auto since = query_value(request.query, "since")) {
        query.since = position_in(*since);
        if (!query.since) return refuse(request, "`since` is EPOCH:OFFSET", now);
    }
    query.oldest = query.rest = true;
    query.reverse = reverse == "true";
    if (query.reverse) query.above = std::exchange(query.since, std::nullopt);
    query.limit = static_cast<uint32_t>(*most);
    query.bytes = api_history_bytes;
    const Ticket ticket = requests_.next_ticket(session);
    if (auto page = broker_.read(std::move(query), ticket)) return answered(std::move(*page));
    return expect(session, ticket, BrokerRequest::Kind::history, now);
}

std::optional<ApiAnswer> ApiQueries::presence(Session& session, const dsl::ChannelName& channel, Now now) {
    const Ticket ticket = requests_.next_ticket(session);
    if (auto roster = presence_.present(channel.text, api_roster_limit, ticket))
        return answered(std::move(*roster));
    return expect(session, ticket, BrokerRequest::Kind::presence, now);
}

std::optional<ApiAnswer> ApiQueries::progress(Session& session, ApiRequest& request,
                                              const dsl::ChannelName& channel, Now now) {
    const dsl::ChannelRules& rules = bindings_.policy().channel_rules(channel.text);
    const auto user = query_value(request.query, "user");
    if (!user || user->empty()) return refuse(request, "the parameter `user` names a user", now);
    if (!rules.acks) return refuse(request, "this channel has no `acks`", now);
    const Ticket ticket = requests_.next_ticket(session);
    auto progress =
        broker_.progress({std::string(channel.text), *user, {}, retention_of(rules), now}, ticket);
    if (progress) return answered(std::move(*progress));
    return expect(session, ticket, BrokerRequest::Kind::progress, now);
}

std::optional<ApiAnswer> ApiQueries::expect(const Session& session, Ticket ticket, BrokerRequest::Kind kind,
                                            Now now) {
    requests_.expect(ticket, {.id = session.id, .kind = kind, .api = session.handshaking->api}, now);
    return std::nullopt;
}

ApiAnswer ApiQueries::refuse(const ApiRequest& request, const char* because, Now now) {
    return refuse_request(log_, request, Rejection::of(Reason::bad_message, because), now);
}

ApiAnswer ApiQueries::answered(const BrokerAnswer& answer) {
    if (const auto* page = std::get_if<Page>(&answer))
        return page->because.empty() ? ApiAnswer{200, history_data(*page)} : api_unavailable(page->because);
    if (const auto* roster = std::get_if<Roster>(&answer))
        return roster->because.empty() ? ApiAnswer{200, presence_data(*roster)}
                                       : api_unavailable(roster->because);
    if (const auto* progress = std::get_if<Progress>(&answer))
        return progress->because.empty() ? ApiAnswer{200, json_of(*progress)}
                                         : api_unavailable(progress->because);
    return api_unavailable("the server's storage does not answer");
}

}  // namespace wayleave
