#include "daemon/decision/grant.h"

#include <algorithm>

namespace wayleave {
namespace {

size_t bytes_of(const dsl::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value.held)) return text->size();
    const auto* list = std::get_if<std::vector<dsl::Scalar>>(&value.held);
    if (!list) return 0;
    size_t bytes = list->size() * sizeof(dsl::Scalar);
    for (const dsl::Scalar& scalar : *list) {
        if (const auto* text = std::get_if<std::string>(&scalar)) bytes += text->size();
    }
    return bytes;
}

std::vector<uint32_t> blocks_of(const dsl::Route& route) {
    std::vector<uint32_t> out;
    for (const dsl::Grant& grant : route.grants) out.push_back(grant.token);
    return out;
}

// The facts of one block: whether it was brought, and its claims.
bool is_of(const dsl::FactShape::Fact& fact, std::string_view token) {
    const std::string_view name = fact.name;
    return name == "with " + std::string(token) ||
           (name.starts_with(token) && name.substr(token.size()).starts_with('.'));
}

}  // namespace

size_t HeldGrant::bytes() const {
    size_t bytes = sizeof *this + token.size() + facts.size() * sizeof(dsl::Value);
    for (const dsl::Value& value : facts) bytes += bytes_of(value);
    return bytes;
}

Identification identify_grant(const Runtime& runtime, const dsl::Route& route, const std::string& text,
                              const std::vector<AnsweredProof>& answers, Now now) {
    const std::vector<uint32_t> blocks = blocks_of(route);
    auto found =
        identify(runtime, route, blocks, shown_in_message(*runtime.policy, blocks, text), answers, now);
    const auto* who = std::get_if<Identified>(&found);
    if (!who) return found;
    size_t bytes = 0;
    for (const dsl::Value& value : who->claims.values) bytes += bytes_of(value);
    if (bytes > most_grant_bytes)
        return Rejection::of(Reason::unauthenticated, "the claims of the token are too long");
    return found;
}

HeldGrant hold_grant(const dsl::Policy& policy, const dsl::Route& route, Identified who) {
    HeldGrant out;
    out.token = policy.tokens[who.token].name;
    out.key = who.key;
    out.expires_ms = who.claims.expires_ms;
    out.shape = route.grant_shape;
    out.facts = route.program.ungranted;
    size_t at = route.grants[who.place].first;
    out.facts[at] = true;
    for (dsl::Value& value : who.claims.values) out.facts[++at] = std::move(value);
    return out;
}

std::vector<dsl::Value> grant_facts(const HeldGrant& grant, const dsl::Route& route) {
    if (!route.grant_shape) return {};
    if (route.grant_shape == grant.shape) return grant.facts;
    std::vector<dsl::Value> out = route.program.ungranted;
    bool named = false;
    const auto& wanted = route.grant_shape->facts;
    const auto& had = grant.shape->facts;
    for (size_t i = 0; i < wanted.size(); ++i) {
        if (!is_of(wanted[i], grant.token)) continue;
        const auto it = std::find_if(had.begin(), had.end(), [&](const dsl::FactShape::Fact& fact) {
            return fact.name == wanted[i].name && fact.type == wanted[i].type;
        });
        if (it == had.end()) return {};
        out[i] = grant.facts[static_cast<size_t>(it - had.begin())];
        named = true;
    }
    return named ? out : std::vector<dsl::Value>();
}

bool needs_grant(const dsl::Route& route, dsl::NodeId verdict) {
    const size_t rule = verdict & ~dsl::verdict_bit;
    return rule >= 2 && route.rules[rule - 2].grant.has_value();
}

bool is_trusted(const HeldGrant& grant, const Runtime& runtime) {
    const auto& tokens = runtime.policy->tokens;
    const auto it = std::find_if(tokens.begin(), tokens.end(),
                                 [&](const dsl::TokenDecl& token) { return token.name == grant.token; });
    if (it == tokens.end()) return false;
    return grant.key == 0 || runtime.verifier->trusts(static_cast<uint32_t>(it - tokens.begin()), grant.key);
}

}  // namespace wayleave
