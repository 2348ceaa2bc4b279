#include "daemon/decision/identify.h"

#include <algorithm>

#include "daemon/decision/credential.h"
#include "daemon/decision/used_tokens.h"

namespace wayleave {
namespace {

Rejection unauthenticated(std::string because) {
    return Rejection::of(Reason::unauthenticated, std::move(because));
}

Rejection used_before() {
    return unauthenticated("the token was used before");
}

// No text is ever a certificate, and no certificate is text: what the block names decides who is asked.
Proof proof_of(const Runtime& runtime, const Credential& credential, const Shown& shown,
               const std::vector<AnsweredProof>& answers, Now now) {
    const dsl::TokenSource& source =
        source_of(runtime.policy->tokens[credential.token].from, credential.source);
    if (!carries_text(source)) {
        // Whoever made the TLS connection has proved it, to an authority that the listener names.
        return shown.certificate ? Proof::good(*shown.certificate)
                                 : Proof::refused("no certificate was shown");
    }
    if (!can_carry(source, credential.text))
        return Proof::refused("the token holds bytes that cannot stand where it is looked for");
    for (const AnsweredProof& answer : answers) {
        if (answer.credential == credential) return answer.proof;
    }
    return runtime.verifier->verify(credential, now);
}

// Where several issuers give names, the same name is somebody else's with each: "REALM|alice". A realm is the
// policy's word, so that only its own bars need another spelling for the two parts to stay apart.
std::string in_realm(const dsl::Route& route, const dsl::TokenDecl& token, std::string user) {
    if (user.empty() || !route.several_realms) return user;
    std::string out;
    for (const char c : token.realm)
        out += c == '|' ? std::string("%7C") : c == '%' ? std::string("%25") : std::string(1, c);
    return out + "|" + user;
}

std::string user_of(const dsl::Route& route, const dsl::TokenDecl& token, const Claims& claims) {
    for (size_t i = 0; i < token.claims.size(); ++i) {
        if (token.claims[i].name == token.user)
            return in_realm(route, token, std::get<std::string>(claims.values[i].held));
    }
    return {};
}

std::variant<Identified, Rejection> read_proof(const Runtime& runtime, const dsl::Route& route, size_t place,
                                               uint32_t number, const Proof& proof, Now now) {
    const dsl::TokenDecl& token = runtime.policy->tokens[number];
    auto claims = read_claims(token, proof.payload, now.wall_ms);
    if (!claims) {
        Rejection why = unauthenticated(claims.error());
        why.user = in_realm(route, token, user_in(token, proof.payload));
        why.nameless = is_secret_user(token);
        return why;
    }
    if (token.single_use && runtime.used_tokens &&
        runtime.used_tokens->was_used(token.name, claims->id, now.wall_ms)) {
        Rejection why = used_before();
        why.user = user_of(route, token, *claims);
        why.nameless = is_secret_user(token);
        return why;
    }
    std::string user = user_of(route, token, *claims);
    return Identified{place, number, std::move(user), is_secret_user(token), proof.key, std::move(*claims)};
}

// All nodes are asked through what they have in common. What was used here is noted here, too: who comes
// again is refused at once.
UsedUp use_up_everywhere(const Runtime& runtime, const std::string& block, const Identified& who,
                         const std::vector<AnsweredProof>& answers, Now now) {
    TokenUse use{block, who.claims.id, who.claims.until_ms};
    for (const AnsweredProof& answer : answers) {
        if (answer.credential.use != use) continue;
        if (answer.proof.kind == Proof::Kind::refused) return used_before();
        if (answer.proof.kind != Proof::Kind::good)
            return Rejection::of(Reason::unavailable, std::string(answer.proof.because));
        (void)runtime.used_tokens->use(block, use.id, use.until_ms, now.wall_ms);
        return {};
    }
    Credential question{who.token, 0, {}};
    question.use = std::move(use);
    return question;
}

}  // namespace

bool is_secret_user(const dsl::TokenDecl& token) {
    return std::any_of(token.claims.begin(), token.claims.end(),
                       [&](const dsl::ClaimDecl& claim) { return claim.name == token.user && claim.secret; });
}

Identification identify(const Runtime& runtime, const dsl::Route& route, std::span<const uint32_t> blocks,
                        const Shown& shown, const std::vector<AnsweredProof>& answers, Now now) {
    Rejection why = unauthenticated("no token was sent");
    // What nobody could look at might have been good, so that is what the client is told.
    const auto failed = [&](Rejection rejection) {
        if (why.reason != Reason::unavailable) why = std::move(rejection);
    };
    for (const Credential& credential : shown.credentials) {
        const auto place =
            static_cast<size_t>(std::find(blocks.begin(), blocks.end(), credential.token) - blocks.begin());
        const Proof proof = proof_of(runtime, credential, shown, answers, now);
        switch (proof.kind) {
            case Proof::Kind::pending: return credential;
            case Proof::Kind::refused: failed(unauthenticated(std::string(proof.because))); break;
            case Proof::Kind::unavailable:
                failed(Rejection::of(Reason::unavailable, std::string(proof.because)));
                break;
            case Proof::Kind::good: {
                auto read = read_proof(runtime, route, place, credential.token, proof, now);
                if (auto* who = std::get_if<Identified>(&read)) {
                    if (runtime.policy->tokens[who->token].recheck_ms > 0) who->shown = credential;
                    return std::move(*who);
                }
                failed(std::move(std::get<Rejection>(read)));
            }
        }
    }
    return why;
}

Shown shown_in_message(const dsl::Policy& policy, std::span<const uint32_t> blocks,
                       const std::string& token) {
    Shown out;
    for (const uint32_t number : blocks) {
        const auto& sources = policy.tokens[number].from;
        auto place = std::find_if(sources.begin(), sources.end(),
                                  [&](const dsl::TokenSource& source) { return can_carry(source, token); });
        if (place == sources.end()) place = std::find_if(sources.begin(), sources.end(), carries_text);
        if (place == sources.end() && !sources.empty()) continue;
        out.credentials.push_back({number, static_cast<uint32_t>(place - sources.begin()), token});
    }
    return out;
}

void put_claims(const dsl::Route& route, const Identified& who, dsl::Facts& facts) {
    const auto& slots = route.claims[who.place];
    for (size_t i = 0; i < slots.size(); ++i)
        facts.values[route.first_claim + i] = who.claims.values[slots[i]];
}

UsedUp use_up(const Runtime& runtime, const Identified& who, const std::vector<AnsweredProof>& answers,
              Now now) {
    const dsl::TokenDecl& token = runtime.policy->tokens[who.token];
    if (!token.single_use || !runtime.used_tokens) return {};
    if (runtime.used_tokens->shared()) return use_up_everywhere(runtime, token.name, who, answers, now);
    switch (runtime.used_tokens->use(token.name, who.claims.id, who.claims.until_ms, now.wall_ms)) {
        case UsedTokens::Use::first: return {};
        case UsedTokens::Use::again: return used_before();
        case UsedTokens::Use::full: break;
    }
    return Rejection::of(Reason::unavailable, "too many tokens are in use");
}

}  // namespace wayleave
