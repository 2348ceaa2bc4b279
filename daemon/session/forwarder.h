// Messages on their way to the user's own servers, and what comes of the answers. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemon/decision/authorize.h"
#include "daemon/message/reply_to.h"
#include "daemon/session/backend_orders.h"
#include "daemon/session/bindings.h"
#include "daemon/session/replies.h"
#include "daemon/session/session_table.h"

namespace wayleave {

class Forwarder {
  public:
    // `name` is of this worker in this run of the daemon: an id of a message is never another's.
    Forwarder(std::string name, std::vector<BackendCall>& out, const SessionTable& sessions,
              const Bindings& bindings, BackendOrderRunner& orders, ConnectionLog& log, Replies& replies,
              Counters& counters, std::mt19937_64& random);

    // Whether one more of that size may be on its way. A client that does not wait has a bound of its own.
    [[nodiscard]] std::optional<Rejection> admit(const Session& session, size_t bytes) const;
    // What `judged` says is forwarded; `members` are those of the message as it is published.
    void forward(Session& session, const ReplyTo& re, const MessageAuthorization& judged,
                 std::string_view members, Now now);
    void answered(uint64_t call, const BackendAnswer& answer, Now now);

  private:
    struct Message {
        ConnectionId from;
        uint64_t session = 0;
        ReplyTo re;
        std::shared_ptr<const Backend> backend;
        std::string rule;  // the statement that forwards it
        bool ordered = false;
        size_t bytes = 0;
        BackendCall call;  // until it is sent
    };
    // What is on its way of one session. It outlives the session: what was taken is sent.
    struct Line {
        size_t messages = 0;
        size_t bytes = 0;
        bool busy = false;            // one with `ordered` is at the backend
        std::deque<Message> waiting;  // for their turn
    };

    void write(const Session& session, const MessageAuthorization& judged, std::string_view members,
               BackendRequest& request, uint32_t seq, Now now);
    void send(Message message);
    void finish(const Message& message);
    void answer(Session& session, const Message& message, const BackendReply& reply, Now now);
    void refuse(Session& session, const Message& message, const BackendReply& reply, Now now);
    void tell_failed(const Session* session, const Message& message, const std::string& why, Now now);

    std::string name_;
    std::vector<BackendCall>& out_;
    const SessionTable& sessions_;
    const Bindings& bindings_;
    BackendOrderRunner& orders_;
    ConnectionLog& log_;
    Replies& replies_;
    Counters& counters_;
    std::mt19937_64& random_;
    absl::flat_hash_map<uint64_t, Message> running_;  // by the number of the call
    absl::flat_hash_map<uint64_t, Line> lines_;       // by the number of the session
    size_t bytes_ = 0;                                // of all
    uint64_t calls_ = 0;
};

}  // namespace wayleave
