// `$auth`: clients that show a new token on the connection they have. One thread.
#pragma once

#include "daemon/decision/identify.h"
#include "daemon/message/client_message.h"
#include "daemon/session/credential_questions.h"
#include "daemon/session/kept_credentials.h"
#include "daemon/session/reload.h"

namespace wayleave {

class Authentication {
  public:
    Authentication(const Bindings& bindings, CredentialQuestions& questions, PostRelay& relay, Reload& reload,
                   Outbox& outbox, Replies& replies, KeptCredentials& kept, Counters& counters)
        : bindings_(bindings),
          questions_(questions),
          relay_(relay),
          reload_(reload),
          outbox_(outbox),
          replies_(replies),
          kept_(kept),
          counters_(counters) {}

    void authenticate(Session& session, const MessageParser::Message& message, const ReplyTo& re, Now now);
    // With what is known of its token now.
    void go_on(Session& session, Now now);
    // The same user with new claims, judged as after a reload. False if it ends with them.
    bool take_on(Session& session, const dsl::Route& route, Identified who, const ReplyTo& re, Now now);

  private:
    void authenticate_by_post(Session& session, const Identified& who, const ReplyTo& re, Now now);
    [[nodiscard]] Identification identity(const Awaiting& awaiting, const dsl::Route& route, Now now) const;
    [[nodiscard]] UsedUp use(const Session& session, const Identified& who, Now now) const;
    void refuse_auth(Session& session, const ReplyTo& re, Rejection rejection, Now now);

    const Bindings& bindings_;
    CredentialQuestions& questions_;
    PostRelay& relay_;
    Reload& reload_;
    Outbox& outbox_;
    Replies& replies_;
    KeptCredentials& kept_;
    Counters& counters_;
};

}  // namespace wayleave
