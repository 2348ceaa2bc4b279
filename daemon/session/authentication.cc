#include "daemon/session/authentication.h"

#include <algorithm>

#include "daemon/decision/credential.h"
#include "daemon/session/native.h"

namespace wayleave {
namespace {

constexpr uint32_t auths_a_minute = 10;
constexpr int64_t minute_ms = 60'000;

bool takes_text(const dsl::Policy& policy, const dsl::Route& route) {
    return std::any_of(route.auth.begin(), route.auth.end(), [&](uint32_t number) {
        const auto& sources = policy.tokens[number].from;
        return std::any_of(sources.begin(), sources.end(), carries_text);
    });
}

bool may_auth(Session& session, Now now) {
    if (now.steady_ms - session.auths_since_ms >= minute_ms) {
        session.auths_since_ms = now.steady_ms;
        session.auths = 0;
    }
    return ++session.auths <= auths_a_minute;
}

// Why there cannot be one more `$auth` now; nothing: there can, and it is counted.
std::optional<Rejection> auth_limit(Session& session, Now now) {
    if (session.awaiting) return Rejection::of(Reason::limited, "the `$auth` before is not answered yet");
    if (may_auth(session, now)) return std::nullopt;
    Rejection limited = Rejection::of(Reason::limited, "too many `$auth`");
    limited.retry_after_ms = session.auths_since_ms + minute_ms - now.steady_ms;
    return limited;
}

}  // namespace

void Authentication::authenticate(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                                  Now now) {
    std::string_view token;
    const MessageParser::Member* member = message.find("token");
    const auto posted = member ? nullptr : relay_.who(re.relay);
    if (posted) return authenticate_by_post(session, *posted, re, now);
    if (!member || member->value.get(token) != simdjson::SUCCESS || token.empty())
        return replies_.reject(
            session, re,
            Rejection::of(Reason::bad_message, !member ? "`token` is missing: the new token, as a text"
                                                       : "`token` is no text that can be a token"),
            now);
    const dsl::Route& route = *session.binding->route;
    if (!takes_text(*session.binding->runtime->policy, route))
        return replies_.reject(
            session, re,
            Rejection::of(Reason::bad_message, route.auth.empty()
                                                   ? "this route asks for no token"
                                                   : "this route takes certificates, and no token"),
            now);
    if (auto limited = auth_limit(session, now)) return refuse_auth(session, re, std::move(*limited), now);
    session.awaiting = std::make_unique<Awaiting>();
    session.awaiting->re = re;
    session.awaiting->token = token;
    go_on(session, now);
}

// The token is that of the POST, which the door has looked at: a page need not be able to read its cookie.
void Authentication::authenticate_by_post(Session& session, const Identified& who, const ReplyTo& re,
                                          Now now) {
    if (auto limited = auth_limit(session, now)) return refuse_auth(session, re, std::move(*limited), now);
    session.awaiting = std::make_unique<Awaiting>();
    session.awaiting->re = re;
    session.awaiting->who = std::make_shared<const Identified>(who);
    go_on(session, now);
}

void Authentication::go_on(Session& session, Now now) {
    if (!reload_.rebind(session, now)) return reload_.close_pending(session, now);
    const dsl::Route& route = *session.binding->route;
    auto found = identity(*session.awaiting, route, now);
    if (auto* question = std::get_if<Credential>(&found))
        return questions_.ask(session, std::move(*question));
    std::optional<Rejection> refused;
    if (auto* why = std::get_if<Rejection>(&found)) {
        refused = std::move(*why);
    } else {
        auto used = use(session, std::get<Identified>(found), now);
        if (auto* question = std::get_if<Credential>(&used))
            return questions_.ask(session, std::move(*question));
        if (auto* no = std::get_if<Rejection>(&used)) refused = std::move(*no);
    }
    const ReplyTo re = std::move(session.awaiting->re);
    session.awaiting.reset();
    if (refused) return refuse_auth(session, re, std::move(*refused), now);
    if (take_on(session, route, std::move(std::get<Identified>(found)), re, now))
        counters_.reauthenticated.add();
}

Identification Authentication::identity(const Awaiting& awaiting, const dsl::Route& route, Now now) const {
    if (awaiting.who) {
        // The new policy may number its tokens otherwise.
        if (awaiting.runtime && awaiting.runtime != bindings_.shared())
            return Rejection::of(Reason::unavailable, "the policy has changed meanwhile");
        return *awaiting.who;
    }
    return identify(bindings_.runtime(), route, route.auth,
                    shown_in_message(bindings_.policy(), route.auth, awaiting.token), awaiting.answers, now);
}

UsedUp Authentication::use(const Session& session, const Identified& who, Now now) const {
    // Without a name nobody can tell whether it is the same.
    if (who.user.empty() || who.user != session.user)
        return Rejection::of(Reason::forbidden, "this is not the token of the same user");
    return use_up(bindings_.runtime(), who, session.awaiting->answers, now);
}

bool Authentication::take_on(Session& session, const dsl::Route& route, Identified who, const ReplyTo& re,
                             Now now) {
    OpenConnection before = open_connection(session, now);
    before.token = who.token;
    dsl::Facts facts = session.facts;
    put_claims(route, who, facts);
    Reevaluation reevaluation = reevaluate_with(before, std::move(facts));
    if (reevaluation.kind != Reevaluation::Kind::stays) {
        Rejection why = Rejection::of(Reason::forbidden, reevaluation.because);
        why.rule = reevaluation.rule;
        outbox_.end(session, std::move(why), now);
        return false;
    }
    session.token = who.token + 1;
    session.key = who.key;
    session.key_gone = false;
    session.expires_ms = who.claims.expires_ms;
    kept_.keep(session, who.shown, now);
    if (re.wanted()) replies_.reply(session, re, ok_text(re.id, session.expires_ms), now);
    reload_.apply(session, route, std::move(reevaluation), Reason::forbidden, now);
    return true;
}

// The session goes on as it was, unless the route says otherwise: the token that it came with is still good.
void Authentication::refuse_auth(Session& session, const ReplyTo& re, Rejection why, Now now) {
    const dsl::Route& route = *session.binding->route;
    const auto number = static_cast<size_t>(why.reason);
    const auto phase = static_cast<size_t>(dsl::Phase::session);
    if (!why.then && !(number < dsl::refusals && route.errors[number][phase])) {
        why.then = dsl::Outcome{dsl::OutcomeKind::error, 0, std::string(to_string(why.reason))};
    }
    replies_.reject(session, re, std::move(why), now);
}

}  // namespace wayleave
