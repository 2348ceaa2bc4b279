// From the first byte to the upgrade: handshakes, streams, and requests that are neither. One thread.
#pragma once

#include <string_view>

#include "daemon/session/api_front.h"
#include "daemon/session/frame_reader.h"
#include "daemon/session/opening.h"
#include "daemon/session/post_front.h"
#include "daemon/session/proxied_requests.h"

namespace wayleave {

class HttpFront {
  public:
    HttpFront(const Bindings& bindings, LimitTable& limits, HttpAdmission& admission, PostFront& posts,
              ApiFront& api, ProxiedRequests& proxied, Opening& opening, FrameReader& frames,
              Deadlines& deadlines, ConnectionLog& log, Outbox& outbox, Counters& counters);

    // Also with no bytes, when something has come that a request waited for.
    void read(Session& session, std::string_view bytes, Now now);
    // The server is stopping: nobody comes in any more.
    void stop() {
        stopping_ = true;
        api_.stop();
        posts_.stop();
        proxied_.stop();
    }
    // The client has taken the answers; it may have asked more meanwhile.
    void go_on(Session& session, Now now);
    // It has asked something, and the answer is under way.
    [[nodiscard]] static bool is_working(const Session& session);
    // It says nothing more. False: nothing is to be answered, either.
    [[nodiscard]] bool finished(Session& session);
    [[nodiscard]] static bool owes_answer(const Session& session);
    // Its time is over: nothing came, or our answer is not taken.
    void expire(Session& session, Now now);

  private:
    [[nodiscard]] bool answer(Session& session, const HttpHead& head, Now now);
    void answer_request(Session& session, const HttpHead& head, const HandshakeRefusal& refusal, Now now);
    void send_file(Session& session, const HttpHead& head, const StaticFile& found);
    [[nodiscard]] std::string_view why_target_is_refused(const Session& session, const HttpHead& head) const;
    [[nodiscard]] bool is_file(const HttpHead& head) const;
    [[nodiscard]] bool answer_preflight(Session& session, const HttpHead& head, Now now);
    [[nodiscard]] bool wants_stream(const HttpHead& head) const;
    [[nodiscard]] bool answer_stream(Session& session, const HttpHead& head, Now now);

    const Bindings& bindings_;
    LimitTable& limits_;
    HttpAdmission& admission_;
    PostFront& posts_;
    ApiFront& api_;
    ProxiedRequests& proxied_;
    Opening& opening_;
    FrameReader& frames_;
    Deadlines& deadlines_;
    ConnectionLog& log_;
    Outbox& outbox_;
    Counters& counters_;
    bool stopping_ = false;
};

}  // namespace wayleave
