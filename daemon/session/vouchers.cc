#include "daemon/session/vouchers.h"

#include <algorithm>
#include <utility>

#include "daemon/decision/authorize.h"
#include "daemon/session/held_messages.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

// Where that many questions are on their way, those of a reload wait: clients who subscribe go before.
constexpr size_t most_vouchers = 256;
constexpr size_t sessions_a_tick = 200;

RulingOf asker(const Session& session) {
    return {*session.binding->route, session.facts, session.shown_user(), session.number};
}

}  // namespace

Vouchers::Looked Vouchers::look(Session& session, const MessageParser::Message& message, uint64_t relay,
                                const dsl::Request& request, dsl::NodeId verdict, const KnownAnswers& known,
                                Now now) {
    const auto question = ruling_question(asker(session), request, verdict);
    if (!question) return question.error();
    if (const Ruled* ruled = known.ruled; ruled && ruled->key == question->key) {
        if (ruled->ruling.kind == BackendRuling::Kind::yes) return Yes{ruled->key, ruled->until_ms};
        return ruled_out(*question, ruled->ruling);
    }
    // Who is in it already has the yes; only a reload or new claims put that in doubt.
    const Voucher* voucher = voucher_of(session, hub_.find(question->channel));
    if (voucher && voucher->given && voucher->key == question->key)
        return Yes{voucher->key, voucher->until_ms};
    if (const auto until_ms = rulings_.believed(question->key, now)) return Yes{question->key, *until_ms};
    WaitingSubscribe waiting;
    waiting.awaiting.answers = known.proofs;
    waiting.awaiting.runtime = bindings_.shared();
    waiting.ruling = question->key;
    waiting.channel = question->channel;
    waiting.message = {simdjson::minify(message.object), relay};
    if (auto why = hold(session, std::move(waiting))) return std::move(*why);
    if (auto why = rulings_.ask(session, *question, now)) {
        (void)release(session, [&](const WaitingSubscribe& one) { return one.channel == question->channel; });
        return std::move(*why);
    }
    return Waits{};
}

// Where the server has joined it, no backend's word is what it is there by.
void Vouchers::keep(Session& session, const Channel& channel, const Yes& yes) {
    const bool joined =
        std::any_of(session.subscriptions.begin(), session.subscriptions.end(), [&](const Subscription& one) {
            return one.channel == &channel && one.entered != Entered::by_client;
        });
    if (!joined) subscriptions_.keep_voucher(session, channel, yes.key, yes.until_ms);
}

std::optional<WaitingSubscribe> Vouchers::released(Session& session, const Ruled& ruled, Now now) {
    auto waiting = release(session, [&](const WaitingSubscribe& one) { return one.ruling == ruled.key; });
    if (!waiting || session.state != Session::State::open) return std::nullopt;
    if (!reload_.rebind(session, now)) {
        reload_.close_pending(session, now);
        return std::nullopt;
    }
    // Another policy may number its tokens otherwise, and trust others.
    if (waiting->awaiting.runtime != bindings_.shared()) waiting->awaiting.answers.clear();
    return waiting;
}

void Vouchers::settle(Session& session, const Ruled& ruled, Now now) {
    if (!session.grants || session.state != Session::State::open) return;
    std::vector<const Channel*> asked;
    for (const Voucher& one : session.grants->vouchers) {
        if (one.doubt == Voucher::Doubt::asked && one.key == ruled.key) asked.push_back(one.channel);
    }
    for (const Channel* channel : asked) settle(session, *channel, ruled, now);
}

// A server that is away says nothing against what it allowed before.
void Vouchers::settle(Session& session, const Channel& channel, const Ruled& ruled, Now now) {
    Voucher& voucher = *voucher_of(session, &channel);
    voucher.doubt = Voucher::Doubt::none;
    switch (ruled.ruling.kind) {
        case BackendRuling::Kind::yes:
            voucher.given = true;
            voucher.until_ms = ruled.until_ms;
            return;
        case BackendRuling::Kind::unavailable:
            if (voucher.given) return;
            break;
        case BackendRuling::Kind::no: break;
    }
    Rejection why = ruled_out({}, ruled.ruling);
    lose(session, channel, why.reason, std::move(why.because), now);
}

void Vouchers::tick(Now now) {
    for (size_t i = 0; i < sessions_a_tick && rulings_.running() < most_vouchers; ++i) {
        const auto id = subscriptions_.next_doubted();
        if (!id) return;
        Session* session = sessions_.find(*id);
        if (!session || session->state != Session::State::open || !session->grants) continue;
        if (!reload_.rebind(*session, now)) continue;
        std::vector<const Channel*> queued;
        for (const Voucher& one : session->grants->vouchers) {
            if (one.doubt == Voucher::Doubt::queued) queued.push_back(one.channel);
        }
        for (const Channel* channel : queued) ask_again(*session, *channel, now);
    }
}

void Vouchers::ask_again(Session& session, const Channel& channel, Now now) {
    Voucher* voucher = voucher_of(session, &channel);
    if (!voucher || session.state != Session::State::open) return;
    voucher->doubt = Voucher::Doubt::none;
    const auto name = dsl::split_channel(channel.name);
    dsl::Request request = request_for(view_of(session, now));
    request.channel = name ? &*name : nullptr;
    const Authorization judged = authorize(view_of(session, now), session.binding->route->subscribe, request);
    if (!judged.asks) return subscriptions_.forget_voucher(session, &channel);  // the reload has judged it
    const auto question = ruling_question(asker(session), request, judged.verdict);
    if (!question) return lose(session, channel, Reason::forbidden, question.error().because, now);
    if (voucher->key != question->key) voucher->given = false;
    voucher->key = question->key;
    voucher->doubt = Voucher::Doubt::asked;
    if (const auto until_ms = rulings_.believed(question->key, now))
        return settle(session, channel, {question->key, {BackendRuling::Kind::yes}, *until_ms}, now);
    if (rulings_.ask(session, *question, now)) settle(session, channel, {question->key, {}, 0}, now);
}

void Vouchers::lose(Session& session, const Channel& channel, Reason reason, std::string because, Now now) {
    const std::string name = channel.name;
    Channel* known = hub_.find(name);
    if (!known) return;
    const dsl::Lane lane = subscriptions_.adopt_policy(*known, now).lane;  // behind its own messages
    replayer_.answer_waiting(session, *known, now);
    if (!subscriptions_.leave(session, name, now)) return;
    counters_.vouched_lost.add();
    outbox_.send_text(session, unsubscribed_text(name, to_string(reason), because), now, lane);
}

}  // namespace wayleave
