// What clients bring with `$subscribe`: looked at here, asked about where nobody knows it yet, remembered
// with the subscription, and forgotten when it ends. One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/decision/grant.h"
#include "daemon/message/client_message.h"
#include "daemon/message/reply_to.h"
#include "daemon/session/credential_questions.h"
#include "daemon/session/reload.h"

namespace wayleave {

class Grants {
  public:
    Grants(const Bindings& bindings, CredentialQuestions& questions, Hub& hub, Subscriptions& subscriptions,
           Replayer& replayer, Reload& reload, Outbox& outbox, Deadlines& deadlines, Counters& counters)
        : bindings_(bindings),
          questions_(questions),
          hub_(hub),
          subscriptions_(subscriptions),
          replayer_(replayer),
          reload_(reload),
          outbox_(outbox),
          deadlines_(deadlines),
          counters_(counters) {}

    // None: the message brings none, or no rule of the route takes one; or it has to wait, and comes again
    // when it is known what the grant is worth.
    struct Waits {};
    struct Brought {
        Identified who;
        HeldGrant grant;
    };
    using Looked = std::variant<std::monostate, Brought, Rejection, Waits>;
    // `known`: what was answered so far.
    [[nodiscard]] Looked look(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                              const std::vector<AnsweredProof>& known, Now now);
    // A `$subscribe` that waited for this answer, and may go on; nothing, if none did.
    [[nodiscard]] std::optional<WaitingSubscribe> answered(Session& session, uint64_t question, Proof proof,
                                                           Now now);

    // Uses up what is good for one time. Nothing, or why the session may not have it, or it has to wait.
    // `channel` may be null.
    using Used = std::variant<std::monostate, Rejection, Waits>;
    [[nodiscard]] Used use(Session& session, const MessageParser::Message& message, const ReplyTo& re,
                           const Brought& brought, const Channel* channel,
                           const std::vector<AnsweredProof>& known, Now now);
    void keep(Session& session, const Channel& channel, const HeldGrant& grant, Now now);
    // Whose time has come: judged without it.
    void expire(Session& session, Now now);

  private:
    [[nodiscard]] std::optional<Rejection> wait_for(Session& session, const MessageParser::Message& message,
                                                    const ReplyTo& re, Credential question,
                                                    const std::vector<AnsweredProof>& known, Now now);
    [[nodiscard]] std::optional<Rejection> why_no_question(Session& session, size_t bytes, Now now) const;

    const Bindings& bindings_;
    CredentialQuestions& questions_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    Reload& reload_;
    Outbox& outbox_;
    Deadlines& deadlines_;
    Counters& counters_;
};

}  // namespace wayleave
