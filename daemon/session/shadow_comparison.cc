#include "daemon/session/shadow_comparison.h"

#include "daemon/base/escape.h"
#include "daemon/decision/reevaluate.h"

namespace wayleave {
namespace {

constexpr uint64_t million = 1'000'000;
constexpr size_t longest_target = 128;

dsl::NodeId ask(const dsl::Route& route, dsl::RootId root, const dsl::Request& request) {
    return dsl::decide(route.program, route.program.nodes, route.program.roots[root], request);
}

// Of the rule that decided, or nothing.
std::string_view place_of(const dsl::Route& route, dsl::NodeId verdict) {
    const size_t rule = verdict & ~dsl::verdict_bit;
    return rule >= 2 ? std::string_view(route.rules[rule - 2].place) : std::string_view();
}

// Whatever a limit or a channel has said after them.
bool by_rules(const dsl::Route& route, const Authorization& judged) {
    return judged.judged && (judged.vouched || allows(route, judged.verdict));
}

std::string said(bool allowed, std::string_view rule) {
    return std::string(allowed ? "allowed" : "refused") + " by " +
           (rule.empty() ? "no rule" : std::string(rule));
}

}  // namespace

bool ShadowComparison::is_shadowed(const Session& session) const {
    return bindings_.runtime().shadow && session.number % million < bindings_.runtime().shadow_per_million;
}

const Shadow* ShadowComparison::shadow_of(Session& session) {
    if (!is_shadowed(session)) {
        session.shadow.reset();
        return nullptr;
    }
    if (!session.shadow || session.shadow->policy != bindings_.runtime().shadow) {
        session.shadow = std::make_unique<Shadow>();
        Shadow& shadow = *session.shadow;
        shadow.policy = bindings_.runtime().shadow;
        shadow.route = successor(*session.binding->route, session.facts, *shadow.policy);
        shadow.facts = session.facts;
        shadow.known = shadow.route && dsl::rebind(shadow.facts, shadow.route->shape);
    }
    if (session.shadow->route && !session.shadow->known) counters_.shadow_skipped.add();
    return session.shadow->route && !session.shadow->known ? nullptr : session.shadow.get();
}

void ShadowComparison::connect(Session& session, const dsl::Route& route, const dsl::Facts& facts,
                               dsl::NodeId verdict, Now now) {
    if (!is_shadowed(session)) return;
    const dsl::Route* shadow = bindings_.runtime().shadow->route(route.name);
    const bool allowed = allows(route, verdict);
    const std::string_view rule = place_of(route, verdict);
    if (!shadow)
        return compare(session, "connect to the route " + route.name, allowed, rule, route, dsl::never, now);
    dsl::Facts own = facts;
    if (!dsl::rebind(own, shadow->shape)) return counters_.shadow_skipped.add();
    compare(session, "connect to the route " + route.name, allowed, rule, *shadow,
            authorize_connect(*shadow, request_for(own, session.number)).verdict, now);
}

// By the rules alone: the shadow draws from no limit.
void ShadowComparison::decision(Session& session, std::string_view action, dsl::RootId dsl::Route::*root,
                                const dsl::Request& request, const Authorization& judged, Now now) {
    const Shadow* shadow = shadow_of(session);
    if (!shadow) return;
    const dsl::Route& route = *session.binding->route;
    const std::string_view place = place_of(route, judged.verdict);
    const std::string what =
        std::string(action) + " " + escape_peer_word(request.channel->text, longest_target);
    dsl::Request own = request;
    own.facts = &shadow->facts;
    const dsl::NodeId verdict = shadow->route ? ask(*shadow->route, shadow->route->*root, own) : dsl::never;
    // The shadow asks no backend.
    if (shadow->route && asked_backend(*shadow->route, verdict)) return counters_.shadow_skipped.add();
    compare(session, what, by_rules(route, judged), place, shadow->route ? *shadow->route : route, verdict,
            now);
}

void ShadowComparison::subscription(Session& session, const dsl::Request& request,
                                    const Authorization& judged, const HeldGrant* grant, bool token,
                                    Now now) {
    const Shadow* shadow = shadow_of(session);
    if (!shadow) return;
    dsl::Request own = request;
    own.grant = {};
    std::vector<dsl::Value> facts;
    if (shadow->route && !shadow->route->grants.empty()) {
        if (grant) facts = grant_facts(*grant, *shadow->route);
        if (token && facts.empty()) return counters_.shadow_skipped.add();
        own.grant = facts;
    }
    decision(session, "subscribe", &dsl::Route::subscribe, own, judged, now);
}

void ShadowComparison::message(Session& session, const MessageParser::Message& message,
                               const dsl::Request& request, const MessageAuthorization& judged, Now now) {
    if (judged.rejection && judged.rejection->reason == Reason::limited) return;
    const Shadow* shadow = shadow_of(session);
    if (!shadow) return;
    const dsl::Route& route = *session.binding->route;
    const std::string what = "message " + escape_peer_word(message.type, longest_target);
    const std::string_view place = judged.judged ? place_of(route, judged.verdict) : std::string_view();
    const dsl::Message* block = shadow->route ? shadow->route->message(message.type) : nullptr;
    Result<std::vector<dsl::Value>, FieldError> fields = failure(FieldError{});
    if (block) fields = read_fields(*block, message);
    if (!fields) {
        const dsl::Route& named = shadow->route ? *shadow->route : route;
        return compare(session, what, by_rules(route, judged), place, named, dsl::never, now);
    }
    dsl::Request own = request;
    own.facts = &shadow->facts;
    own.fields = *fields;
    compare(session, what, by_rules(route, judged), place, *shadow->route,
            ask(*shadow->route, block->decision, own), now);
}

// Only a deny is asked for there.
void ShadowComparison::order(Session& session, const SubscriptionOrder& order, const dsl::Request& request,
                             Now now) {
    const Shadow* shadow = order.enter.empty() ? nullptr : shadow_of(session);
    if (!shadow || !shadow->route) return;
    const dsl::Route& route = *session.binding->route;
    for (const std::string& channel : order.enter) {
        const auto name = dsl::split_channel(channel);
        if (!name) continue;
        dsl::Request own = request;
        own.channel = &*name;
        const dsl::NodeId verdict = ask(route, route.subscribe, own);
        own.facts = &shadow->facts;
        const dsl::NodeId other = ask(*shadow->route, shadow->route->subscribe, own);
        const bool denied = denies(route, verdict);
        tell(session, "subscribe to " + escape_peer_word(channel, longest_target), !denied,
             denied ? place_of(route, verdict) : std::string_view(), *shadow->route, other,
             !denies(*shadow->route, other), now);
    }
}

void ShadowComparison::compare(const Session& session, std::string_view what, bool allowed,
                               std::string_view rule, const dsl::Route& shadow, dsl::NodeId verdict,
                               Now now) {
    tell(session, what, allowed, rule, shadow, verdict, allows(shadow, verdict), now);
}

void ShadowComparison::tell(const Session& session, std::string_view what, bool allowed,
                            std::string_view rule, const dsl::Route& shadow, dsl::NodeId verdict, bool other,
                            Now now) {
    counters_.shadow_compared.add();
    if (other == allowed) return;
    counters_.shadow_differences.add();
    const std::string_view by = place_of(shadow, verdict);
    Event event = ConnectionLog::about(
        session, "shadow-differs",
        std::string(what) + " is " + said(allowed, rule) + ", and by the shadow policy " + said(other, by));
    log_.tell(std::move(event), rule, by, now);
}

}  // namespace wayleave
