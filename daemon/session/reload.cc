#include "daemon/session/reload.h"

#include <algorithm>
#include <functional>

#include "daemon/session/native.h"
#include "dsl/policy/canonical.h"

namespace wayleave {
namespace {

// About a millisecond of a worker. Who speaks before its turn is judged then.
constexpr size_t rebinds_a_tick = 300;
constexpr size_t ended_at_once = 100;  // fewer than this need no spreading
constexpr size_t surveyed_at_once = 250;
constexpr uint16_t service_restart = 1012;  // RFC 6455's registry: service restart

const RulingKey* believed_ruling(const Session& session, const Channel& channel, Now now) {
    const Voucher* voucher = voucher_of(session, &channel);
    return voucher && voucher->given && voucher->until_ms > now.steady_ms ? &voucher->key : nullptr;
}

}  // namespace

OpenConnection open_connection(const Session& session, Now now) {
    OpenConnection out{view_of(session, now)};
    out.user = session.shown_user();
    if (session.token > 0) out.token = session.token - 1;
    out.key = session.key;
    out.messages_in = session.messages_in;
    out.messages_out = session.messages_out;
    out.bytes_in = session.bytes_in;
    out.bytes_out = session.bytes_out;
    out.waiting = session.queue.bytes();
    out.channels.reserve(session.subscriptions.size());
    for (const Subscription& subscription : session.subscriptions)
        out.channels.push_back({subscription.channel->name,
                                subscription.entered,
                                {},
                                held_grant(session, subscription.channel),
                                believed_ruling(session, *subscription.channel, now)});
    for (const Counted& counted : session.counted) {
        const auto place =
            std::lower_bound(session.subscriptions.begin(), session.subscriptions.end(), counted.channel,
                             [](const Subscription& s, const Channel* wanted) {
                                 return std::less<const Channel*>()(s.channel, wanted);
                             });
        const auto at = static_cast<size_t>(place - session.subscriptions.begin());
        if (at < out.channels.size()) out.channels[at].keys.push_back(counted.key);
    }
    return out;
}

void ReloadImpact::add(const ReloadImpact& other) {
    connections += other.connections;
    untouched += other.untouched;
    staying += other.staying;
    losing += other.losing;
    ending += other.ending;
    returning += other.returning;
    subscriptions_lost += other.subscriptions_lost;
    channels_joined += other.channels_joined;
    keys_gone += other.keys_gone;
}

void ReloadImpact::count(const Reevaluation& reevaluation) {
    ++connections;
    if (reevaluation.key_gone) ++keys_gone;
    switch (reevaluation.kind) {
        case Reevaluation::Kind::untouched: ++untouched; break;
        case Reevaluation::Kind::ends: ++ending; break;
        case Reevaluation::Kind::returns: ++returning; break;
        case Reevaluation::Kind::stays: ++(reevaluation.lost.empty() ? staying : losing); break;
    }
    subscriptions_lost += reevaluation.lost.size();
    channels_joined += reevaluation.joined.size();
}

Reload::Reload(const SessionTable& sessions, Bindings& bindings, Hub& hub, Subscriptions& subscriptions,
               Replayer& replayer, Outbox& outbox, Closing& closing, ConnectionLog& log, Deadlines& deadlines,
               Notifications& notifications, FoldedStreams& streams, KeptCredentials& kept,
               Counters& counters, std::mt19937_64& random)
    : sessions_(sessions),
      bindings_(bindings),
      hub_(hub),
      subscriptions_(subscriptions),
      replayer_(replayer),
      outbox_(outbox),
      closing_(closing),
      log_(log),
      deadlines_(deadlines),
      notifications_(notifications),
      streams_(streams),
      kept_(kept),
      counters_(counters),
      random_(random) {}

void Reload::replace(std::shared_ptr<const Runtime> runtime) {
    bindings_.replace(std::move(runtime));
    next_ = 0;
    counters_.decisions.keep_only(dsl::hash_text(bindings_.policy().hash).substr(0, 12));
    const auto& aliases = bindings_.policy().aliases;
    counters_.aliases.keep_only([&](std::string_view address) {
        return std::any_of(aliases.begin(), aliases.end(),
                           [&](const auto& item) { return item.second.address == address; });
    });
    counters_.generation.set(bindings_.runtime().generation);
}

void Reload::tick(Now now) {
    if (next_ == SIZE_MAX) return;
    const bool all = sessions_.visit(next_, rebinds_a_tick, [&](Session& session) {
        if (session.state != Session::State::open) return false;
        (void)rebind(session, now);
        return true;
    });
    closing_.end_marked(now);
    if (!all) return;
    next_ = SIZE_MAX;
    spread_pending_closes(now);
    closing_.end_marked(now);
}

bool Reload::rebind(Session& session, Now now) {
    if (session.pending_close) return false;
    if (session.binding->runtime == bindings_.shared()) return true;
    session.shadow.reset();  // a quiet connection must not keep an old policy alive
    const OpenConnection before = open_connection(session, now);
    Reevaluation reevaluation = reevaluate(before, bindings_.runtime());
    if (reevaluation.key_gone && !std::exchange(session.key_gone, true)) counters_.keys_gone.add();
    if (reevaluation.kind == Reevaluation::Kind::ends || reevaluation.kind == Reevaluation::Kind::returns) {
        mark_pending_close(session, std::move(reevaluation), now);
        return false;
    }
    const dsl::Route& route = *reevaluation.route;
    session.token = token_in(bindings_.policy(), before);
    if (reevaluation.kind == Reevaluation::Kind::stays) counters_.reevaluated.add();
    counters_.unsubscribed_by_policy.add(reevaluation.lost.size());
    apply(session, route, std::move(reevaluation), Reason::policy_changed, now);
    return true;
}

void Reload::apply(Session& session, const dsl::Route& route, Reevaluation reevaluation, Reason reason,
                   Now now) {
    session.shadow.reset();  // a quiet connection must not keep an old policy alive
    session.facts = std::move(*reevaluation.facts);
    const dsl::Request request = request_for(session.facts, session.number);
    session.binding = bindings_.bind(route, dsl::early_answers(route.program, request));
    notifications_.rebound(session, now);
    if (session.tunnelled == route.proxies.empty())
        outbox_.end(session,
                    Rejection::of(Reason::policy_changed, "what speaks here is another now", route.place),
                    now);
    kept_.plan(session, now);
    apply_channels(session, reevaluation, reason, now);
    streams_.rebound(session, now);
    deadlines_.reschedule(session, now);  // its deadlines may be nearer now
}

void Reload::apply_channels(Session& session, const Reevaluation& reevaluation, Reason reason, Now now) {
    const bool native = session.binding->route->dialect == dsl::Dialect::native;
    for (const auto& [channel, because] : reevaluation.lost) {
        if (Channel* known = hub_.find(channel)) replayer_.answer_waiting(session, *known, now);
        if (!subscriptions_.leave(session, channel, now)) continue;
        if (native) outbox_.send_text(session, unsubscribed_text(channel, to_string(reason), because), now);
    }
    for (const std::string& channel : reevaluation.asked) {
        if (const Channel* known = hub_.find(channel)) subscriptions_.doubt(session, *known);
    }
    for (const std::string& channel : reevaluation.joined) {
        if (session.state != Session::State::open) break;  // it was too slow for the news
        if (session.subscriptions.size() >= session.binding->route->max_subscriptions) break;
        if (Channel* entered = subscriptions_.enter(session, channel, Entered::by_route, now))
            replayer_.begin(session, *entered, {}, {}, now);
    }
}

// Nothing reaches it any more, and whatever it says ends it; else its turn comes within the drain.
void Reload::mark_pending_close(Session& session, Reevaluation reevaluation, Now now) {
    subscriptions_.leave_all(session, now);
    // It is the new policy that decides, by its own lines.
    const dsl::Route* route = successor(*session.binding->route, session.facts, bindings_.policy());
    const std::string& place = !reevaluation.rule.empty() || !route ? reevaluation.rule : route->place;
    Rejection rejection =
        Rejection::of(Reason::policy_changed, std::move(reevaluation.because), reevaluation.rule);
    rejection.decision = decision_id(bindings_.policy(), place);
    session.pending_close = std::make_unique<PendingClose>(PendingClose{
        std::move(rejection), reevaluation.kind == Reevaluation::Kind::returns, Session::never_ms});
    pending_.push_back(session.id);
    counters_.closed_by_policy.add();
}

void Reload::close_pending(Session& session, Now now) {
    const PendingClose sentence = std::move(*session.pending_close);
    session.pending_close.reset();
    const auto& wanted = session.binding->route->errors[static_cast<size_t>(dsl::Refusal::policy_changed)]
                                                       [static_cast<size_t>(dsl::Phase::session)];
    if (wanted || !sentence.returns) return outbox_.end(session, sentence.rejection, now);
    Rejection told = sentence.rejection;
    log_.refused(session, told);
    closing_.close(session,
                   {service_restart, std::string(to_string(Reason::policy_changed)),
                    sentence.rejection.because, static_cast<int64_t>(random_() % 2000)},
                   now);
}

// The sentences are carried out when all are known: few at once, many one by one.
void Reload::spread_pending_closes(Now now) {
    const bool at_once = pending_.size() < ended_at_once;
    const auto window = static_cast<uint64_t>(std::max<int64_t>(1, bindings_.settings().drain_ms));
    for (const ConnectionId id : pending_) {
        Session* session = sessions_.find(id);
        if (!session || !session->pending_close) continue;
        if (at_once) {
            close_pending(*session, now);
        } else {
            session->pending_close->at_ms = now.steady_ms + static_cast<int64_t>(random_() % window);
            deadlines_.reschedule(*session, now);
        }
    }
    pending_.clear();
}

bool Reload::survey(const Runtime& candidate, ReloadImpact& impact, Now now) const {
    return sessions_.visit(impact.next, surveyed_at_once, [&](const Session& session) {
        if (session.state != Session::State::open || session.pending_close) return false;
        Reevaluation reevaluation = reevaluate(open_connection(session, now), candidate);
        // As apply() does: what is handed to a backend does not become a conversation with us, nor back.
        if (reevaluation.kind == Reevaluation::Kind::stays &&
            session.tunnelled == reevaluation.route->proxies.empty())
            reevaluation.kind = Reevaluation::Kind::ends;
        impact.count(reevaluation);
        return true;
    });
}

}  // namespace wayleave
