// What a new policy does to the connections that are open.
#include <algorithm>

#include "daemon/decision/reevaluate.h"
#include "daemon/session/gateway_impl.h"
#include "dsl/policy/canonical.h"

namespace wayleave {
namespace {

// About a millisecond of a worker. Who speaks before its turn is judged then.
constexpr size_t rebinds_a_tick = 300;
constexpr size_t ended_at_once = 100;  // fewer than this need no spreading
constexpr uint16_t come_again = 1012;  // RFC 6455's registry: service restart

}  // namespace

Living living(const Session& session, Now now) {
    const dsl::Policy& policy = *session.binding->runtime->policy;
    Living out{policy,
               *session.binding->route,
               session.facts,
               std::nullopt,
               0,
               session.number,
               now.steady_ms - session.opened_ms,
               {}};
    if (session.token > 0) out.token = session.token - 1;
    out.key = session.key;
    out.channels.reserve(session.subscriptions.size());
    for (const Subscription& subscription : session.subscriptions)
        out.channels.push_back({subscription.channel->name, subscription.joined});
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

void Gateway::Impl::replace(std::shared_ptr<const Runtime> runtime) {
    runtime_ = std::move(runtime);
    bindings_.clear();
    next_rebind_ = 0;
    counters.decisions.keep_only(dsl::hash_text(runtime_->policy->hash).substr(0, 12));
    counters.generation.set(runtime_->generation);
}

// The connection under the policy in force. False if it may not go on: it ends now, or within the drain.
bool Gateway::Impl::rebind(Session& session, Now now) {
    if (session.pending_close) return false;
    if (session.binding->runtime == runtime_) return true;
    session.shadow.reset();  // a quiet connection must not keep an old policy alive
    const Living before = living(session, now);
    Reevaluation reevaluation = reevaluate(before, *runtime_);
    if (reevaluation.key_gone && !std::exchange(session.key_gone, true)) counters.keys_gone.add();
    if (reevaluation.kind == Reevaluation::Kind::ends || reevaluation.kind == Reevaluation::Kind::returns) {
        mark_pending_close(session, std::move(reevaluation), now);
        return false;
    }
    const dsl::Route& route = *reevaluation.route;
    session.token = token_in(*runtime_->policy, before);
    if (reevaluation.kind == Reevaluation::Kind::stays) counters.reevaluated.add();
    counters.unsubscribed_by_policy.add(reevaluation.lost.size());
    apply(session, route, std::move(reevaluation), Reason::policy_changed, now);
    return true;
}

// The connection goes on, on that route and with what is known of it now.
void Gateway::Impl::apply(Session& session, const dsl::Route& route, Reevaluation reevaluation, Reason reason,
                          Now now) {
    session.shadow.reset();  // a quiet connection must not keep an old policy alive
    session.facts = std::move(*reevaluation.facts);
    dsl::Request request;
    request.facts = &session.facts;
    request.connection = session.number;
    session.binding = bind(route, dsl::early_answers(route.program, request));
    apply_channels(session, reevaluation, reason, now);
    reschedule(session, now);  // its deadlines may be nearer now
}

uint32_t Gateway::Impl::token_in(const dsl::Policy& policy, const Living& before) {
    if (!before.token) return 0;
    const std::string& name = before.policy.tokens[*before.token].name;
    for (size_t i = 0; i < policy.tokens.size(); ++i) {
        if (policy.tokens[i].name == name) return static_cast<uint32_t>(i + 1);
    }
    return 0;
}

void Gateway::Impl::apply_channels(Session& session, const Reevaluation& reevaluation, Reason reason,
                                   Now now) {
    const bool native = session.binding->route->dialect == dsl::Dialect::native;
    for (const auto& [channel, because] : reevaluation.lost) {
        if (Channel* known = hub_.find(channel)) answer_waiting(session, *known, now);
        if (!leave_channel(session, channel, now)) continue;
        if (native) send_text(session, unsubscribed_text(channel, to_string(reason), because), now);
    }
    for (const std::string& channel : reevaluation.joined) {
        if (session.state != Session::State::open) break;  // it was too slow for the news
        if (session.subscriptions.size() >= session.binding->route->max_subscriptions) break;
        if (Channel* entered = enter_channel(session, channel, true, now))
            begin(session, *entered, {}, {}, now);
    }
}

// Nothing reaches it any more, and whatever it says ends it; else its turn comes within the drain.
void Gateway::Impl::mark_pending_close(Session& session, Reevaluation reevaluation, Now now) {
    leave_channels(session, now);
    // It is the new policy that decides, by its own lines.
    const dsl::Route* route = successor(*session.binding->route, session.facts, *runtime_->policy);
    const std::string& place = !reevaluation.rule.empty() || !route ? reevaluation.rule : route->place;
    Rejection rejection =
        Rejection::of(Reason::policy_changed, std::move(reevaluation.because), reevaluation.rule);
    rejection.decision = decision_id(*runtime_->policy, place);
    session.pending_close = std::make_unique<PendingClose>(PendingClose{
        std::move(rejection), reevaluation.kind == Reevaluation::Kind::returns, Session::never_ms});
    condemned_.push_back(session.id);
    counters.closed_by_policy.add();
}

void Gateway::Impl::close_pending(Session& session, Now now) {
    const PendingClose sentence = std::move(*session.pending_close);
    session.pending_close.reset();
    const auto& wanted = session.binding->route->errors[static_cast<size_t>(dsl::Refusal::policy_changed)]
                                                       [static_cast<size_t>(dsl::Phase::session)];
    if (wanted || !sentence.returns) return end(session, sentence.rejection, now);
    Rejection told = sentence.rejection;
    refused(session.binding->runtime->policy.get(), session.binding->route, told);
    close(session, come_again, to_string(Reason::policy_changed), sentence.rejection.because,
          static_cast<int64_t>(numbers_() % 2000), now);
}

// The sentences are carried out when all are known: few at once, many one by one.
void Gateway::Impl::spread_pending_closes(Now now) {
    const bool at_once = condemned_.size() < ended_at_once;
    const auto window = static_cast<uint64_t>(std::max<int64_t>(1, runtime_->settings.drain_ms));
    for (const ConnectionId id : condemned_) {
        Session* session = find(id);
        if (!session || !session->pending_close) continue;
        if (at_once) {
            close_pending(*session, now);
        } else {
            session->pending_close->at_ms = now.steady_ms + static_cast<int64_t>(numbers_() % window);
            reschedule(*session, now);
        }
    }
    condemned_.clear();
}

void Gateway::Impl::rebind_some(Now now) {
    for (size_t done = 0; done < rebinds_a_tick && next_rebind_ < slots_.size(); ++next_rebind_) {
        Session* session = slots_[next_rebind_].session.get();
        if (!session || session->state != Session::State::open) continue;
        ++done;
        (void)rebind(*session, now);
    }
    end_marked(now);
    if (next_rebind_ >= slots_.size()) spread_pending_closes(now);
    end_marked(now);
}

bool Gateway::Impl::walk(size_t& next, const std::function<void(const Seen&)>& see, Now now) const {
    constexpr size_t at_a_time = 250;
    for (size_t done = 0; done < at_a_time && next < slots_.size(); ++next) {
        const Session* session = slots_[next].session.get();
        if (!session || session->state != Session::State::open) continue;
        ++done;
        Seen seen{*session->binding->runtime,
                  *session->binding->route,
                  session->facts,
                  session->binding->residual,
                  session->number,
                  now.steady_ms - session->opened_ms,
                  {}};
        for (const Subscription& subscription : session->subscriptions)
            seen.channels.emplace_back(subscription.channel->name);
        seen.user = session->shown_user();
        see(seen);
    }
    return next >= slots_.size();
}

bool Gateway::Impl::survey(const Runtime& candidate, ReloadImpact& survey, Now now) {
    constexpr size_t at_a_time = 250;
    size_t done = 0;
    for (; done < at_a_time && survey.next < slots_.size(); ++survey.next) {
        const Session* session = slots_[survey.next].session.get();
        if (!session || session->state != Session::State::open || session->pending_close) continue;
        ++done;
        ++survey.connections;
        const Reevaluation reevaluation = reevaluate(living(*session, now), candidate);
        if (reevaluation.key_gone) ++survey.keys_gone;
        if (reevaluation.kind == Reevaluation::Kind::untouched) ++survey.untouched;
        if (reevaluation.kind == Reevaluation::Kind::ends) ++survey.ending;
        if (reevaluation.kind == Reevaluation::Kind::returns) ++survey.returning;
        if (reevaluation.kind == Reevaluation::Kind::stays)
            ++(reevaluation.lost.empty() ? survey.staying : survey.losing);
        survey.subscriptions_lost += reevaluation.lost.size();
        survey.channels_joined += reevaluation.joined.size();
    }
    return survey.next >= slots_.size();
}

}  // namespace wayleave
