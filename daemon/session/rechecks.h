// `recheck`: backends are asked again about those who are connected, one credential at a time, for as long as
// they are. Who is not known any more goes. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "daemon/session/authentication.h"
#include "daemon/session/kept_credentials.h"

namespace wayleave {

class Rechecks {
  public:
    Rechecks(const Bindings& bindings, CredentialQuestions& questions, KeptCredentials& kept, Reload& reload,
             Authentication& authentication, Deadlines& deadlines, Outbox& outbox, ConnectionLog& log,
             Counters& counters)
        : bindings_(bindings),
          questions_(questions),
          kept_(kept),
          reload_(reload),
          authentication_(authentication),
          deadlines_(deadlines),
          outbox_(outbox),
          log_(log),
          counters_(counters) {}

    // Its time may have come.
    void wake(Session& session, Now now);
    // False if it was no such question.
    [[nodiscard]] bool answered(Session& session, uint64_t question, const Proof& proof, Now now);

  private:
    struct Silence {
        int64_t told_ms = 0;
        uint64_t untold = 0;
    };

    void judge(Session& session, const Credential& credential, const Proof& proof, Now now);
    void confirm(Session& session, Identified who, Now now);
    void end(Session& session, Rejection why, Now now);
    void tell_silent(const Session& session, const std::string& why, Now now);

    const Bindings& bindings_;
    CredentialQuestions& questions_;
    KeptCredentials& kept_;
    Reload& reload_;
    Authentication& authentication_;
    Deadlines& deadlines_;
    Outbox& outbox_;
    ConnectionLog& log_;
    Counters& counters_;
    std::map<std::string, Silence> silences_;  // by backend; as many as a policy has
};

}  // namespace wayleave
