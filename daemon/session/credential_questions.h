// Credentials that somebody else must be asked about, before a handshake or an `$auth` goes on. One thread.
#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "daemon/session/actions.h"
#include "daemon/session/bindings.h"

namespace wayleave {

class CredentialQuestions {
  public:
    CredentialQuestions(std::vector<CredentialQuestion>& out, const Bindings& bindings,
                        std::mt19937_64& random)
        : out_(out), bindings_(bindings), random_(random) {}

    // What the session waits for.
    void ask(Session& session, Credential question) {
        ask(session.id, *session.awaiting, std::move(question), session.trace.get());
    }
    // `trace` may be null.
    void ask(ConnectionId id, Awaiting& awaiting, Credential question, const Trace* trace);
    // About what was good before; the number of the question.
    [[nodiscard]] uint64_t ask_again(ConnectionId id, Credential question, int64_t since_ms);
    // False if nobody waits for it.
    [[nodiscard]] bool note_answer(Session& session, uint64_t question, Proof proof);
    void take(Awaiting& awaiting, Proof proof) const;

  private:
    std::vector<CredentialQuestion>& out_;
    const Bindings& bindings_;
    std::mt19937_64& random_;
    uint64_t asked_ = 0;
};

}  // namespace wayleave
