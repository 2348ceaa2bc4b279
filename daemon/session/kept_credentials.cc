#include "daemon/session/kept_credentials.h"

#include <absl/hash/hash.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

size_t bytes_of(const KeptCredential& kept) {
    return sizeof kept + kept.text.capacity() + kept.from.name.capacity();
}

const dsl::TokenDecl& block_of(const Session& session) {
    return session.binding->runtime->policy->tokens[session.token - 1];
}

}  // namespace

KeptCredential::~KeptCredential() {
    OPENSSL_cleanse(text.data(), text.size());
}

int64_t next_recheck_ms(std::string_view credential, int64_t every_ms, Now now) {
    const auto phase = static_cast<int64_t>(absl::HashOf(credential) % static_cast<uint64_t>(every_ms));
    const int64_t ahead = (phase - now.steady_ms % every_ms + every_ms) % every_ms;
    return now.steady_ms + (ahead > 0 ? ahead : every_ms);
}

void KeptCredentials::keep(Session& session, const std::optional<Credential>& shown, Now now) {
    forget(session);
    if (!shown || session.token == 0) return;
    session.kept = std::make_unique<KeptCredential>();
    session.kept->from = block_of(session).from.at(shown->source);
    session.kept->text = shown->text;
    bytes_ += bytes_of(*session.kept);
    counters_.recheck_bytes.set(bytes_);
    plan(session, now);
}

void KeptCredentials::plan(Session& session, Now now) {
    if (!session.kept) return;
    KeptCredential& kept = *session.kept;
    const auto& auth = session.binding->route->auth;
    const bool asked = std::find(auth.begin(), auth.end(), session.token - 1) != auth.end();
    const int64_t every_ms = asked ? block_of(session).recheck_ms : 0;
    if (every_ms == 0 || !credential_of(session)) return forget(session);
    const bool due = kept.due_ms != 0 && kept.due_ms <= now.steady_ms;
    if (!due) kept.due_ms = next_recheck_ms(kept.text, every_ms, now);
}

void KeptCredentials::forget(Session& session) {
    if (!session.kept) return;
    bytes_ -= bytes_of(*session.kept);
    counters_.recheck_bytes.set(bytes_);
    session.kept.reset();
}

// Another policy may look in other places.
std::optional<Credential> KeptCredentials::credential_of(const Session& session) {
    const auto& from = block_of(session).from;
    const auto place = std::find_if(from.begin(), from.end(), [&](const dsl::TokenSource& source) {
        return source.kind == session.kept->from.kind && source.name == session.kept->from.name;
    });
    if (place == from.end()) return std::nullopt;
    return Credential{session.token - 1, static_cast<uint32_t>(place - from.begin()), session.kept->text};
}

}  // namespace wayleave
