#include "daemon/session/backend_orders.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "daemon/decision/orders.h"
#include "daemon/message/api_body.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr size_t most_publications = 1000;
constexpr size_t most_ordered_bytes = 16 << 20;  // of all of them: a small answer may name many channels

Rejection bad(std::string because) {
    return Rejection::of(Reason::bad_message, std::move(because));
}

std::optional<Rejection> judge_channels(const std::vector<std::string>& names,
                                        const dsl::BackendDecl& backend) {
    for (const std::string& name : names) {
        const auto channel = dsl::split_channel(name);
        if (!channel) return bad(dsl::no_channel(name));
        if (auto refused = refuse_order(backend, dsl::Action::subscribe, &*channel)) return refused;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Rejection> BackendOrderRunner::carry_out(const BackendOrders& orders, std::string_view backend,
                                                       Session* session, Now now) {
    const auto& known = bindings_.policy().backends;
    const auto it = std::find_if(known.begin(), known.end(),
                                 [&](const dsl::BackendDecl& one) { return one.name == backend; });
    std::vector<Draft> drafts;
    auto refused =
        it == known.end() ? bad("the policy does not have it any more") : judge(orders, *it, drafts);
    if (!refused && session) refused = subscribe(orders, *session, now);
    if (refused) {
        counters_.orders_refused.add();
        return refused;
    }
    counters_.orders.add();
    publisher_.publish_for(*it, std::move(drafts), now);
    if (session && session->state == Session::State::open) speak(orders, *session, now);
    return std::nullopt;
}

void BackendOrderRunner::carry_out(const BackendAnswer& answer, std::string_view backend, Session* session,
                                   Now now) {
    const BackendReply reply = read_reply(answer);
    std::string wrong;
    if (reply.kind == BackendReply::Kind::unavailable) wrong = reply.because;
    if (reply.kind == BackendReply::Kind::orders) {
        if (auto refused = carry_out(reply.orders, backend, session, now))
            wrong = std::move(refused->because);
    }
    if (wrong.empty()) return;
    Event event =
        session ? ConnectionLog::about(*session, "orders-refused", {}) : Event{"orders-refused", {}};
    event.message = "nothing is done of what the backend " + std::string(backend) + " orders: " + wrong;
    event.severity = Severity::warning;
    log_.tell(std::move(event), backend, wrong, now);
}

// First, since the session's limits have a word in it. All of it or nothing.
std::optional<Rejection> BackendOrderRunner::subscribe(const BackendOrders& orders, Session& session,
                                                       Now now) {
    if (orders.subscribe.empty() && orders.unsubscribe.empty()) return std::nullopt;
    return subscriptions_.apply(session, {orders.unsubscribe, orders.subscribe}, now);
}

std::optional<Rejection> BackendOrderRunner::judge(const BackendOrders& orders,
                                                   const dsl::BackendDecl& backend,
                                                   std::vector<Draft>& drafts) {
    for (const std::string& item : orders.publish)
        if (auto refused = judge_publication(item, backend, drafts)) return refused;
    for (const std::string& item : orders.send)
        if (auto refused = judge_message(item)) return refused;
    if (auto refused = judge_channels(orders.subscribe, backend)) return refused;
    if (auto refused = judge_channels(orders.unsubscribe, backend)) return refused;
    return orders.close ? refuse_order(backend, dsl::Action::disconnect, nullptr) : std::nullopt;
}

std::optional<Rejection> BackendOrderRunner::judge_publication(const std::string& item,
                                                               const dsl::BackendDecl& backend,
                                                               std::vector<Draft>& drafts) {
    const std::string text = as_message(item);
    const auto parsed = parser_.parse(text);
    if (!parsed)
        return bad("a publication is no JSON object that can be read: " + std::string(parsed.error()));
    const auto channels = channels_of(**parsed);
    if (!channels) return bad(channels.error().because);
    if (drafts.size() + channels->size() > most_publications)
        return bad("it publishes more than 1000 messages");
    const MessageParser::Message& message = **parsed;
    std::optional<uint64_t> except = 0;
    if (message.find("except_session")) except = parse_session(text_member(message, "except_session"));
    if (!except) return bad("`except_session` is the session of a `$hello`");
    for (const std::string& channel : *channels) {
        const auto asked = parse_publication(message, channel);
        if (!asked) return bad(asked.error().because);
        if (auto refused = refuse_order(backend, dsl::Action::publish, &asked->channel)) return refused;
        Draft& draft = drafts.emplace_back();
        if (auto wrong =
                fill_draft(channel, bindings_.policy().channel_rules(channel), {message, asked->data}, draft))
            return bad(std::move(wrong->because));
        draft.except = *except;
    }
    const bool too_much =
        std::accumulate(drafts.begin(), drafts.end(), size_t{0}, [](size_t sum, const Draft& one) {
            return sum + one.members.size();
        }) > most_ordered_bytes;
    return too_much ? std::optional(bad("it publishes more than 16 MiB")) : std::nullopt;
}

// What goes to the client alone must not look like the daemon's own word.
std::optional<Rejection> BackendOrderRunner::judge_message(const std::string& item) {
    const auto parsed = parser_.parse(item);
    if (!parsed) return bad("what it sends is no message: " + std::string(parsed.error()));
    const bool ours = (*parsed)->type.starts_with('$') ||
                      std::any_of((*parsed)->members.begin(), (*parsed)->members.end(),
                                  [](const auto& member) { return member.key.starts_with('$'); });
    return ours ? std::optional(bad("what begins with `$` is the daemon's own word")) : std::nullopt;
}

void BackendOrderRunner::speak(const BackendOrders& orders, Session& session, Now now) {
    for (const std::string& item : orders.send) outbox_.send_text(session, item, now);
    if (!orders.close || session.state != Session::State::open) return;
    const int64_t back_ms = orders.close->reconnect ? reconnect_min_ms : -1;
    outbox_.end_with(session, {orders.close->code, "disconnected", orders.close->because, back_ms});
}

}  // namespace wayleave
