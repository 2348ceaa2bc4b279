#include "daemon/core/identify.h"

#include <algorithm>

#include "daemon/core/used_tokens.h"

namespace wayleave {
namespace {

Rejection unauthenticated(std::string because) {
    return {Reason::unauthenticated, std::move(because), {}, {}, 0};
}

Rejection used_before() {
    return unauthenticated("the token was used before");
}

Proof proof_of(const Runtime& runtime, const Credential& credential,
               const std::vector<AnsweredProof>& answers, Now now) {
    for (const AnsweredProof& answer : answers) {
        if (answer.credential == credential) return answer.proof;
    }
    // Whoever made the TLS connection has proved it, to an authority that the listener names.
    const dsl::TokenSource& source = runtime.policy->tokens[credential.token].from[credential.source];
    if (source.kind == dsl::ast::Source::Kind::certificate) return Proof::good(credential.text);
    return runtime.verifier->verify(credential, now);
}

std::string user_of(const dsl::TokenDecl& token, const Claims& claims) {
    for (size_t i = 0; i < token.claims.size(); ++i) {
        if (token.claims[i].name == token.user) return std::get<std::string>(claims.values[i].held);
    }
    return {};
}

std::variant<Identified, Rejection> read_proof(const Runtime& runtime, size_t place, uint32_t number,
                                               const Proof& proof, Now now) {
    const dsl::TokenDecl& token = runtime.policy->tokens[number];
    auto claims = read_claims(token, proof.payload, now.wall_ms);
    if (!claims) return unauthenticated(claims.error());
    if (token.single_use && runtime.used_tokens &&
        runtime.used_tokens->was_used(token.name, claims->id, now.wall_ms)) {
        return used_before();
    }
    std::string user = user_of(token, *claims);
    return Identified{place, number, std::move(user), std::move(*claims)};
}

}  // namespace

Identification identify(const Runtime& runtime, const dsl::Route& route, const std::vector<Credential>& shown,
                        const std::vector<AnsweredProof>& answers, Now now) {
    Rejection why = unauthenticated("no token was sent");
    // What nobody could look at might have been good, so that is what the client is told.
    const auto failed = [&](Rejection rejection) {
        if (why.reason != Reason::unavailable) why = std::move(rejection);
    };
    for (const Credential& credential : shown) {
        const auto place = static_cast<size_t>(
            std::find(route.auth.begin(), route.auth.end(), credential.token) - route.auth.begin());
        const Proof proof = proof_of(runtime, credential, answers, now);
        switch (proof.kind) {
            case Proof::Kind::pending: return credential;
            case Proof::Kind::refused: failed(unauthenticated(std::string(proof.because))); break;
            case Proof::Kind::unavailable:
                failed({Reason::unavailable, std::string(proof.because), {}, {}, 0});
                break;
            case Proof::Kind::good: {
                auto read = read_proof(runtime, place, credential.token, proof, now);
                if (auto* who = std::get_if<Identified>(&read)) return std::move(*who);
                failed(std::move(std::get<Rejection>(read)));
            }
        }
    }
    return why;
}

void put_claims(const dsl::Route& route, const Identified& who, dsl::Facts& facts) {
    const auto& slots = route.claims[who.place];
    for (size_t i = 0; i < slots.size(); ++i)
        facts.values[route.first_claim + i] = who.claims.values[slots[i]];
}

std::optional<Rejection> use_up(const Runtime& runtime, const Identified& who, Now now) {
    const dsl::TokenDecl& token = runtime.policy->tokens[who.token];
    if (!token.single_use || !runtime.used_tokens) return std::nullopt;
    switch (runtime.used_tokens->use(token.name, who.claims.id, who.claims.until_ms, now.wall_ms)) {
        case UsedTokens::Use::first: return std::nullopt;
        case UsedTokens::Use::again: return used_before();
        case UsedTokens::Use::full: break;
    }
    return Rejection{Reason::unavailable, "too many tokens are in use", {}, {}, 0};
}

}  // namespace wayleave
