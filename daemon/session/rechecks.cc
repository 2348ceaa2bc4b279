#include "daemon/session/rechecks.h"

#include <utility>

namespace wayleave {

void Rechecks::wake(Session& session, Now now) {
    const auto is_due = [&] {
        return session.kept && session.kept->question == 0 && session.kept->due_ms <= now.steady_ms;
    };
    if (!is_due() || !reload_.rebind(session, now) || !is_due()) return;
    KeptCredential& kept = *session.kept;
    kept.asked = bindings_.shared();
    kept.question = questions_.ask_again(session.id, *KeptCredentials::credential_of(session), kept.due_ms);
    counters_.rechecks.add();
}

bool Rechecks::answered(Session& session, uint64_t question, const Proof& proof, Now now) {
    if (!session.kept || session.kept->question != question) return false;
    session.kept->question = 0;
    const auto asked = std::exchange(session.kept->asked, nullptr);
    // Who may not go on under a new policy ends in his turn.
    if (session.state != Session::State::open || !reload_.rebind(session, now) || !session.kept) return true;
    if (asked != bindings_.shared()) {
        session.kept->due_ms = now.steady_ms;  // another policy may ask somebody else
    } else {
        session.kept->due_ms = 0;
        kept_.plan(session, now);
        judge(session, *KeptCredentials::credential_of(session), proof, now);
    }
    if (session.state == Session::State::open) deadlines_.reschedule(session, now);
    return true;
}

void Rechecks::judge(Session& session, const Credential& credential, const Proof& proof, Now now) {
    const dsl::Route& route = *session.binding->route;
    auto found =
        identify(bindings_.runtime(), route, route.auth, Shown{{credential}}, {{credential, proof}}, now);
    if (auto* who = std::get_if<Identified>(&found)) return confirm(session, std::move(*who), now);
    auto* why = std::get_if<Rejection>(&found);
    if (why && why->reason == Reason::unauthenticated) return end(session, std::move(*why), now);
    counters_.recheck_failed.add();
    tell_silent(session, why ? why->because : "the answer means nothing", now);
}

void Rechecks::confirm(Session& session, Identified who, Now now) {
    if (who.user != session.user)
        return end(session, Rejection::of(Reason::unauthenticated, "the token is another user's now"), now);
    const dsl::Route& route = *session.binding->route;
    dsl::Facts facts = session.facts;
    put_claims(route, who, facts);
    if (facts.values != session.facts.values) {
        counters_.recheck_changed.add();
        authentication_.take_on(session, route, std::move(who), {}, now);
    } else {
        session.expires_ms = who.claims.expires_ms;
    }
}

void Rechecks::end(Session& session, Rejection why, Now now) {
    counters_.recheck_ended.add();
    outbox_.end(session, std::move(why), now);
}

// Who cannot tell says nothing against anybody. One line for each interval, however many sessions there are.
void Rechecks::tell_silent(const Session& session, const std::string& why, Now now) {
    const dsl::Policy& policy = bindings_.policy();
    const dsl::TokenDecl& token = policy.tokens[session.token - 1];
    const std::string& backend = policy.backends[token.check->backend].name;
    const auto [it, first] = silences_.try_emplace(backend);
    Silence& silence = it->second;
    if (!first && now.steady_ms - silence.told_ms < token.recheck_ms) {
        ++silence.untold;
        return;
    }
    const uint64_t more = std::exchange(silence.untold, 0);
    silence.told_ms = now.steady_ms;
    std::string sentence = "the backend " + backend +
                           " does not say whether those who are connected are still known; they stay: " + why;
    if (more > 0) sentence += " (and " + std::to_string(more) + " times since the last such line)";
    Event event{"recheck-failed", std::move(sentence)};
    event.severity = Severity::warning;
    event.with("action", "recheck").with("reason", to_string(Reason::unavailable));
    log_.tell(std::move(event), backend, token.name, now);
}

}  // namespace wayleave
