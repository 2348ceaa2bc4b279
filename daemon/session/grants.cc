#include "daemon/session/grants.h"

#include <algorithm>
#include <utility>

#include "daemon/decision/authorize.h"
#include "daemon/session/held_messages.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr ptrdiff_t most_asked = 4;  // of a session, about whose grants somebody is asked
constexpr size_t longest_waiting = size_t{16} << 10U;
constexpr uint32_t questions_a_minute = 60;
constexpr int64_t grants_minute_ms = 60'000;

// The connection is what it was, whoever shows what: a grant that proves nothing opens nothing.
Rejection refused(Rejection why) {
    if (why.reason == Reason::unavailable) return why;
    return Rejection::of(Reason::forbidden, std::move(why.because));
}

}  // namespace

Grants::Looked Grants::look(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                            const std::vector<AnsweredProof>& known, Now now) {
    const dsl::Route& route = *session.binding->route;
    const MessageParser::Member* member = message.find("token");
    if (!member || route.grants.empty()) return {};
    std::string_view token;
    if (member->value.get(token) != simdjson::SUCCESS || token.empty())
        return Rejection::of(Reason::bad_message, "`token` is no text that can be a token");
    auto found = identify_grant(bindings_.runtime(), route, std::string(token), known, now);
    if (auto* who = std::get_if<Identified>(&found)) {
        HeldGrant grant = hold_grant(bindings_.policy(), route, *who);
        return Brought{std::move(*who), std::move(grant)};
    }
    if (auto* why = std::get_if<Rejection>(&found)) return refused(std::move(*why));
    auto why = wait_for(session, message, re, std::move(std::get<Credential>(found)), known, now);
    if (why) return std::move(*why);
    return Waits{};
}

std::optional<Rejection> Grants::wait_for(Session& session, const MessageParser::Message& message,
                                          const ReplyTo& re, Credential question,
                                          const std::vector<AnsweredProof>& known, Now now) {
    std::string text = simdjson::minify(message.object);
    if (auto why = why_no_question(session, text.size(), now)) return why;
    WaitingSubscribe waiting;
    waiting.channel = text_member(message, "channel");
    waiting.message = {std::move(text), re.relay};
    waiting.awaiting.answers = known;
    const std::string channel = waiting.channel;
    if (auto why = hold(session, std::move(waiting))) return why;
    questions_.ask(session.id, waiting_for(session, channel)->awaiting, std::move(question),
                   session.trace.get());
    return std::nullopt;
}

// A backend is asked as often as one client may make it work.
std::optional<Rejection> Grants::why_no_question(Session& session, size_t bytes, Now now) const {
    if (bytes > longest_waiting)
        return Rejection::of(Reason::bad_message, "a `$subscribe` with a grant is shorter than 16 KiB");
    if (!session.grants) session.grants = std::make_unique<SessionGrants>();
    SessionGrants& grants = *session.grants;
    const auto asked = std::count_if(grants.waiting.begin(), grants.waiting.end(),
                                     [](const WaitingSubscribe& one) { return one.awaiting.question != 0; });
    if (asked >= most_asked) return Rejection::of(Reason::limited, "the grants before are not answered yet");
    if (now.steady_ms - grants.asked_since_ms >= grants_minute_ms) {
        grants.asked_since_ms = now.steady_ms;
        grants.asked = 0;
    }
    if (++grants.asked <= questions_a_minute) return std::nullopt;
    Rejection limited = Rejection::of(Reason::limited, "too many grants that a backend is asked about");
    limited.retry_after_ms = grants.asked_since_ms + grants_minute_ms - now.steady_ms;
    return limited;
}

std::optional<WaitingSubscribe> Grants::answered(Session& session, uint64_t question, Proof proof, Now now) {
    auto waiting =
        release(session, [&](const WaitingSubscribe& one) { return one.awaiting.question == question; });
    if (!waiting || session.state != Session::State::open) return std::nullopt;
    if (!reload_.rebind(session, now)) {
        reload_.close_pending(session, now);
        return std::nullopt;
    }
    questions_.take(waiting->awaiting, std::move(proof));
    return waiting;
}

Grants::Used Grants::use(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                         const Brought& brought, const Channel* channel,
                         const std::vector<AnsweredProof>& known, Now now) {
    if (!Subscriptions::has_room_for_grant(session, channel, brought.grant))
        return Rejection::of(Reason::limited, "this connection remembers as many grants as it may");
    auto used = use_up(bindings_.runtime(), brought.who, known, now);
    if (auto* why = std::get_if<Rejection>(&used)) return refused(std::move(*why));
    auto* question = std::get_if<Credential>(&used);
    if (!question) return {};
    if (auto why = wait_for(session, message, re, std::move(*question), known, now)) return std::move(*why);
    return Waits{};
}

// Where the server has joined it, no grant is what it is there by.
void Grants::keep(Session& session, const Channel& channel, const HeldGrant& grant, Now now) {
    const bool joined =
        std::any_of(session.subscriptions.begin(), session.subscriptions.end(), [&](const Subscription& one) {
            return one.channel == &channel && one.entered != Entered::by_client;
        });
    if (joined) return;
    subscriptions_.keep_grant(session, channel, grant);
    deadlines_.reschedule(session, now);
}

void Grants::expire(Session& session, Now now) {
    if (!session.grants || session.grants->next_expiry_ms() > now.wall_ms) return;
    if (!reload_.rebind(session, now)) return;
    std::vector<const Channel*> over;
    for (const KeptGrant& kept : session.grants->kept) {
        if (kept.grant->expires_ms > 0 && kept.grant->expires_ms <= now.wall_ms) over.push_back(kept.channel);
    }
    for (const Channel* channel : over) {
        subscriptions_.forget_grant(session, channel);
        const std::string name = channel->name;
        const auto split = dsl::split_channel(name);
        dsl::Request request = request_for(view_of(session, now));
        request.channel = split ? &*split : nullptr;
        if (split && authorize(view_of(session, now), session.binding->route->subscribe, request).allowed())
            continue;
        Channel& known = *hub_.find(name);
        const dsl::Lane lane = subscriptions_.adopt_policy(known, now).lane;  // behind its own messages
        replayer_.answer_waiting(session, known, now);
        if (!subscriptions_.leave(session, name, now)) continue;
        counters_.grants_expired.add();
        outbox_.send_text(
            session, unsubscribed_text(name, to_string(Reason::expired), "the grant has expired"), now, lane);
    }
}

}  // namespace wayleave
