// Credentials that somebody else must be asked about, before a handshake or an `$auth` goes on. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/session/actions.h"
#include "daemon/session/bindings.h"

namespace wayleave {

class CredentialQuestions {
  public:
    CredentialQuestions(std::vector<CredentialQuestion>& out, const Bindings& bindings)
        : out_(out), bindings_(bindings) {}

    // What the session waits for.
    void ask(Session& session, Credential question);
    // False if nobody waits for it.
    [[nodiscard]] bool note_answer(Session& session, uint64_t question, Proof proof);

  private:
    std::vector<CredentialQuestion>& out_;
    const Bindings& bindings_;
    uint64_t asked_ = 0;
};

}  // namespace wayleave
