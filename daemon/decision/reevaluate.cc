#include "daemon/decision/reevaluate.h"

#include <algorithm>

#include "daemon/decision/authorize.h"
#include "daemon/decision/grant.h"
#include "daemon/decision/identify.h"
#include "daemon/decision/rejection.h"
#include "dsl/policy/evaluate.h"
#include "dsl/policy/router.h"

namespace wayleave {
namespace {

// How long and how often is no part of whom it trusts.
dsl::SettingValues settings_of_trust(const dsl::TokenDecl& token) {
    dsl::SettingValues out = token.settings;
    out.erase("cache");
    out.erase("recheck");
    return out;
}

bool same_trust(const dsl::TokenDecl& a, const dsl::TokenDecl& b) {
    return a.name == b.name && settings_of_trust(a) == settings_of_trust(b) && a.issuer == b.issuer &&
           a.audience == b.audience && a.algorithms == b.algorithms && a.user == b.user &&
           a.realm == b.realm && is_secret_user(a) == is_secret_user(b);
}

const dsl::TokenDecl* block_of(const dsl::Policy& policy, std::string_view name) {
    const auto it = std::find_if(policy.tokens.begin(), policy.tokens.end(),
                                 [&](const dsl::TokenDecl& token) { return token.name == name; });
    return it == policy.tokens.end() ? nullptr : &*it;
}

Reevaluation ending(Reevaluation::Kind kind, std::string because, std::string rule = {}) {
    Reevaluation out;
    out.kind = kind;
    out.because = std::move(because);
    out.rule = std::move(rule);
    return out;
}

// A connection on a route that has changed and asks for re-evaluation.
class Review {
  public:
    // `next` is null where keys and policy are what they were.
    Review(const OpenConnection& open, const dsl::Policy& policy, const Runtime* next,
           const dsl::Route& route, dsl::Facts facts)
        : open_(open), policy_(policy), next_(next), route_(route), facts_(std::move(facts)) {
        request_ = request_for(open);
        request_.facts = &facts_;
    }

    Reevaluation judge() {
        if (!still_trusted())
            return ending(Reevaluation::Kind::returns, "the policy asks for another proof of identity");
        if (!has_address()) return ending(Reevaluation::Kind::ends, "nothing has this address any more");
        if (!open_.is_link && !route_.origins.allow(facts_.origin, !facts_.origin.empty(), host_with_port()))
            return ending(Reevaluation::Kind::ends, "pages of this origin may not connect here");
        if (const auto rejection = authorize_connect(route_, request_).rejection)
            return ending(Reevaluation::Kind::ends, rejection->because, rejection->rule);
        if (!same_address()) return ending(Reevaluation::Kind::returns, "this address leads elsewhere now");
        Reevaluation out;
        out.kind = Reevaluation::Kind::stays;
        review_channels(out);
        out.facts = std::move(facts_);
        out.route = &route_;
        return out;
    }

  private:
    // The port is not kept; the door has compared it, and neither side of it changes.
    [[nodiscard]] std::string host_with_port() const {
        const size_t scheme = facts_.origin.find("://");
        const size_t colon = facts_.origin.rfind(':');
        const size_t bracket = facts_.origin.rfind(']');
        const bool port = scheme != std::string::npos && colon > scheme && colon != std::string::npos &&
                          (bracket == std::string::npos || colon > bracket);
        return facts_.host + (port ? facts_.origin.substr(colon) : "");
    }

    [[nodiscard]] dsl::NodeId decide(dsl::RootId root) const {
        const dsl::Program& program = route_.program;
        return dsl::decide(program, program.nodes, program.roots[root], request_);
    }

    // The keys are not asked again; who they are may not have changed meanwhile.
    [[nodiscard]] bool still_trusted() const {
        if (route_.auth.empty()) return true;
        if (!open_.token || route_.several_realms != open_.route.several_realms) return false;
        const dsl::TokenDecl& shown = open_.policy.tokens[*open_.token];
        return std::any_of(route_.auth.begin(), route_.auth.end(),
                           [&](uint32_t number) { return same_trust(policy_.tokens[number], shown); });
    }

    [[nodiscard]] bool has_address() const {
        dsl::RouteMatch match;
        return policy_.router.find(facts_.host, facts_.path, match);
    }

    [[nodiscard]] bool same_address() const {
        dsl::RouteMatch match;
        return policy_.router.find(facts_.host, facts_.path, match) &&
               policy_.routes[match.route].get() == &route_;
    }

    void review_channels(Reevaluation& out) {
        std::vector<std::string> wanted = joined_channels(route_, request_);
        for (const OpenConnection::Channel& channel : open_.channels) {
            const auto it = std::find(wanted.begin(), wanted.end(), channel.name);
            const bool join = it != wanted.end();
            if (join) wanted.erase(it);
            if (join || may_stay(channel, out)) continue;
        }
        out.joined = std::move(wanted);
    }

    bool may_stay(const OpenConnection::Channel& channel, Reevaluation& out) {
        if (channel.entered == Entered::by_route) {
            out.lost.emplace_back(channel.name, "the server does not join it any more");
            return false;
        }
        const auto name = dsl::split_channel(channel.name);
        if (!name) return true;
        const std::vector<dsl::Value> grant = facts_of(channel.grant);
        request_.channel = &*name;
        request_.grant = grant;
        const dsl::NodeId verdict = decide(route_.subscribe);
        const bool asks = asked_backend(route_, verdict) && !is_believed(channel, verdict);
        request_.channel = nullptr;
        request_.grant = {};
        const bool ordered = channel.entered == Entered::by_order;
        if (allows(route_, verdict) || (ordered && !denies(route_, verdict))) return true;
        if (asked_backend(route_, verdict)) {
            if (asks) out.asked.emplace_back(channel.name);
            return true;
        }
        out.lost.emplace_back(channel.name, rejected_by(route_, verdict).because);
        return false;
    }

    // The backend would be asked what it was asked before, and its yes is fresh still.
    [[nodiscard]] bool is_believed(const OpenConnection::Channel& channel, dsl::NodeId verdict) const {
        if (!channel.ruling) return false;
        const auto question = ruling_question({route_, facts_, open_.user, open_.number}, request_, verdict);
        return question && question->key == *channel.ruling;
    }

    // None where the block that vouched for it is another now, or has taken the key away.
    [[nodiscard]] std::vector<dsl::Value> facts_of(const HeldGrant* grant) const {
        if (!grant) return {};
        const dsl::TokenDecl* before = block_of(open_.policy, grant->token);
        const dsl::TokenDecl* now = block_of(policy_, grant->token);
        if (!before || !now || !same_trust(*before, *now)) return {};
        if (next_ && !is_trusted(*grant, *next_)) return {};
        return grant_facts(*grant, route_);
    }

    const OpenConnection& open_;
    const dsl::Policy& policy_;
    const Runtime* next_;
    const dsl::Route& route_;
    dsl::Facts facts_;
    dsl::Request request_;
};

}  // namespace

Reevaluation reevaluate_with(const OpenConnection& open, dsl::Facts facts) {
    return Review(open, open.policy, nullptr, open.route, std::move(facts)).judge();
}

uint32_t token_in(const dsl::Policy& policy, const OpenConnection& before) {
    if (!before.token) return 0;
    const std::string& name = before.policy.tokens[*before.token].name;
    for (size_t i = 0; i < policy.tokens.size(); ++i) {
        if (policy.tokens[i].name == name) return static_cast<uint32_t>(i + 1);
    }
    return 0;
}

const dsl::Route* successor(const dsl::Route& route, const dsl::Facts& facts, const dsl::Policy& policy) {
    const dsl::Route* namesake = policy.route(route.name);
    dsl::RouteMatch match;
    if (!policy.router.find(facts.host, facts.path, match)) return namesake;
    const dsl::Route* there = policy.routes[match.route].get();
    return !namesake || there->addresses == route.addresses ? there : namesake;
}

namespace {

// What it has signed proves nothing any more, also where the policy means what it did.
bool lost_its_key(const OpenConnection& open, const Runtime& next) {
    if (open.key == 0 || !open.token) return false;
    const std::string& name = open.policy.tokens[*open.token].name;
    const auto& tokens = next.policy->tokens;
    const auto it = std::find_if(tokens.begin(), tokens.end(),
                                 [&](const dsl::TokenDecl& token) { return token.name == name; });
    return it != tokens.end() && !next.verifier->trusts(static_cast<uint32_t>(it - tokens.begin()), open.key);
}

bool lost_a_grant(const OpenConnection& open, const Runtime& next) {
    return std::any_of(open.channels.begin(), open.channels.end(),
                       [&](const OpenConnection::Channel& channel) {
                           return channel.grant && !is_trusted(*channel.grant, next);
                       });
}

Reevaluation reevaluate_on(const OpenConnection& open, const Runtime& next, const dsl::Route& route) {
    dsl::Facts facts = open.facts;
    if (!dsl::rebind(facts, route.shape))
        return ending(Reevaluation::Kind::returns,
                      "the policy asks for facts that this connection never gave");
    const bool changed = route.hash != open.route.hash;
    if (changed && route.on_policy_change == dsl::PolicyChange::close)
        return ending(Reevaluation::Kind::returns, "the policy has changed");
    if ((changed || lost_a_grant(open, next)) && route.on_policy_change != dsl::PolicyChange::keep)
        return Review(open, *next.policy, &next, route, std::move(facts)).judge();
    Reevaluation out;
    out.kind = changed ? Reevaluation::Kind::stays : Reevaluation::Kind::untouched;
    out.facts = std::move(facts);
    out.route = &route;
    return out;
}

}  // namespace

Reevaluation reevaluate(const OpenConnection& open, const Runtime& next) {
    const dsl::Route* route = successor(open.route, open.facts, *next.policy);
    if (!route) return ending(Reevaluation::Kind::ends, "this route is gone");
    const bool key_gone = lost_its_key(open, next);
    Reevaluation out =
        key_gone && route->on_policy_change != dsl::PolicyChange::keep
            ? ending(Reevaluation::Kind::returns, "the key of its token is not trusted any more")
            : reevaluate_on(open, next, *route);
    out.key_gone = key_gone;
    return out;
}

}  // namespace wayleave
