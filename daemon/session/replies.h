// Answers to what a client has asked: to its POST, if it asked by one, else over the session's own
// connection. One thread.
#pragma once

#include <string_view>

#include "daemon/message/reply_to.h"
#include "daemon/session/outbox.h"
#include "daemon/session/post_relay.h"

namespace wayleave {

class Replies {
  public:
    Replies(Outbox& outbox, PostRelay& relay, ConnectionLog& log, BanCounter& ban_counter)
        : outbox_(outbox), relay_(relay), log_(log), ban_counter_(ban_counter) {}

    void reply(Session& session, const ReplyTo& to, std::string_view text, Now now,
               dsl::Lane lane = dsl::Lane::normal, Word word = Word::other);
    // Counts and tells of it, and answers as the route wants; that may end the session.
    void reject(Session& session, const ReplyTo& re, Rejection rejection, Now now);
    void confirm(Session& session, const ReplyTo& re, Now now);

  private:
    Outbox& outbox_;
    PostRelay& relay_;
    ConnectionLog& log_;
    BanCounter& ban_counter_;
};

}  // namespace wayleave
