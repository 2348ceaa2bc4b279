// Messages that came by POST for a session of this worker, until they are answered: see RelayedMessage. One
// thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/connection.h"
#include "daemon/decision/identify.h"
#include "daemon/session/actions.h"

namespace wayleave {

class PostRelay {
  public:
    explicit PostRelay(std::vector<RelayReply>& replies) : replies_(replies) {}

    // The session may be spoken for by POST, from now until it is forgotten.
    void reach(uint64_t session, ConnectionId id) { by_number_.insert_or_assign(session, id); }
    void forget(uint64_t session);
    [[nodiscard]] ConnectionId find(uint64_t session) const;  // a dead id if nobody may be reached so

    [[nodiscard]] bool is_full(uint64_t session) const;
    // Its number, for ReplyTo. `who`: null without a token, or where a reload came between.
    [[nodiscard]] uint64_t begin(const RelayedMessage& relayed, std::shared_ptr<const Identified> who);
    void note_id(uint64_t relay, std::string_view id);  // the client's own `$id`
    // It is answered when there are so many answers: by a list of them.
    void expect(uint64_t relay, size_t answers);
    [[nodiscard]] std::shared_ptr<const Identified> who(uint64_t relay) const;
    // The status 0 is that of no answer at all.
    void answer(uint64_t relay, int status, std::string_view text);
    // To a message that never began.
    void refuse(const RelayedMessage& relayed, int status, std::string_view error, std::string_view because);
    // The session has ended: whoever waits is told so.
    void end(uint64_t session);

  private:
    struct Running {  // a relayed message whose answer is not there yet
        RelayReply answer;
        uint64_t session = 0;
        std::string id;
        std::shared_ptr<const Identified> who = nullptr;
        size_t missing = 0;  // of several answers
        std::string said = {};
    };

    [[nodiscard]] static bool add_to_list(Running& running, std::string_view text);

    std::vector<RelayReply>& replies_;
    absl::flat_hash_map<uint64_t, ConnectionId> by_number_;
    absl::flat_hash_map<uint64_t, Running> running_;  // by a number of their own
    uint64_t begun_ = 0;
};

}  // namespace wayleave
