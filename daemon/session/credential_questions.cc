#include "daemon/session/credential_questions.h"

#include <utility>

namespace wayleave {

void CredentialQuestions::ask(ConnectionId id, Awaiting& awaiting, Credential question, const Trace* trace) {
    awaiting.question = ++asked_;
    if (question.use) {
        // Asked once more after a reload it is still the same that asks.
        while (awaiting.claim == 0) awaiting.claim = random_();
        question.use->claim = awaiting.claim;
    }
    awaiting.runtime = bindings_.shared();
    awaiting.credential = question;
    out_.push_back(
        {id, awaiting.question, bindings_.shared(), std::move(question), {{}, traceparent(trace, random_)}});
}

uint64_t CredentialQuestions::ask_again(ConnectionId id, Credential question, int64_t since_ms) {
    out_.push_back(
        {id, ++asked_, bindings_.shared(), std::move(question), {since_ms, traceparent(nullptr, random_)}});
    return asked_;
}

bool CredentialQuestions::note_answer(Session& session, uint64_t question, Proof proof) {
    if (!session.awaiting || session.awaiting->question != question) return false;
    if (session.last_bytes || session.abort_listed) return false;
    take(*session.awaiting, std::move(proof));
    return true;
}

void CredentialQuestions::take(Awaiting& awaiting, Proof proof) const {
    awaiting.question = 0;
    if (proof.kind == Proof::Kind::pending) proof = Proof::unavailable("the token cannot be looked at");
    if (awaiting.runtime == bindings_.shared()) {
        awaiting.answers.push_back({std::move(awaiting.credential), std::move(proof)});
    } else {
        awaiting.answers.clear();  // the new policy may number its tokens otherwise, and trust others
    }
}

}  // namespace wayleave
