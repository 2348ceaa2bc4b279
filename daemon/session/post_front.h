// What the client of a stream says: a POST whose body is one message for the stream's session. It is handled
// as if it had come over that connection, at the worker that has it, and the answer is the answer to the
// POST. To a WebSocket it can bring an `$auth`, whose token is a cookie that the page cannot read. One
// thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/session/deadlines.h"
#include "daemon/session/http_admission.h"

namespace wayleave {

class PostFront {
  public:
    PostFront(uint32_t worker, const Bindings& bindings, HttpAdmission& admission, Deadlines& deadlines,
              std::vector<RelayedMessage>& relayed, Outbox& outbox, Counters& counters);

    [[nodiscard]] bool wants(const HttpHead& head) const;
    void answer(Session& session, const HttpHead& head, Now now);
    // True if the request is done with, and another may follow.
    [[nodiscard]] bool read_body(Session& session, Now now);
    // True if another request may follow on the connection.
    [[nodiscard]] bool reply(Session& session, const RelayReply& answer, Now now);
    void stop() { stopping_ = true; }      // each connection ends with the answer that it waits for
    void late(Session& session, Now now);  // the answer did not come in time

  private:
    void begin(Session& session, const HttpHead& head, uint64_t target, const std::string& headers, Now now);
    void refuse(Session& session, int status, std::string because, const std::string& headers, Now now);

    uint32_t worker_;
    const Bindings& bindings_;
    HttpAdmission& admission_;
    Deadlines& deadlines_;
    std::vector<RelayedMessage>& relayed_;
    Outbox& outbox_;
    Counters& counters_;
    uint64_t posts_ = 0;
    bool stopping_ = false;
};

}  // namespace wayleave
