// Channels that a session may enter because a backend says so: asked when it subscribes, and again where a
// reload or new claims ask for it. One thread.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "daemon/session/credential_questions.h"
#include "daemon/session/reload.h"
#include "daemon/session/rulings.h"

namespace wayleave {

// What is known of a `$subscribe` that has waited.
struct KnownAnswers {
    std::vector<AnsweredProof> proofs;  // of its grant
    const Ruled* ruled = nullptr;       // about its channel
};

class Vouchers {
  public:
    Vouchers(const Bindings& bindings, const SessionTable& sessions, Hub& hub, Subscriptions& subscriptions,
             Replayer& replayer, Reload& reload, Rulings& rulings, Outbox& outbox, Counters& counters)
        : bindings_(bindings),
          sessions_(sessions),
          hub_(hub),
          subscriptions_(subscriptions),
          replayer_(replayer),
          reload_(reload),
          rulings_(rulings),
          outbox_(outbox),
          counters_(counters) {}

    struct Waits {};
    struct Yes {
        RulingKey key{};
        int64_t until_ms = 0;
    };
    using Looked = std::variant<Yes, Rejection, Waits>;
    // A `$subscribe` that the rules leave to a backend.
    [[nodiscard]] Looked look(Session& session, const MessageParser::Message& message, uint64_t relay,
                              const dsl::Request& request, dsl::NodeId verdict, const KnownAnswers& known,
                              Now now);
    void keep(Session& session, const Channel& channel, const Yes& yes);

    // What comes of an answer for a session that is in the channel already.
    void settle(Session& session, const Ruled& ruled, Now now);
    // A `$subscribe` that waited for it, if it may go on.
    [[nodiscard]] std::optional<WaitingSubscribe> released(Session& session, const Ruled& ruled, Now now);
    // Asks again about some of those that are in doubt.
    void tick(Now now);

  private:
    void ask_again(Session& session, const Channel& channel, Now now);
    void settle(Session& session, const Channel& channel, const Ruled& ruled, Now now);
    void lose(Session& session, const Channel& channel, Reason reason, std::string because, Now now);

    const Bindings& bindings_;
    const SessionTable& sessions_;
    Hub& hub_;
    Subscriptions& subscriptions_;
    Replayer& replayer_;
    Reload& reload_;
    Rulings& rulings_;
    Outbox& outbox_;
    Counters& counters_;
};

}  // namespace wayleave
