// How what is said to a session becomes bytes on its connection: as WebSocket messages, or as Server-Sent
// Events. Stateless but for the compressor that all connections of a worker share; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/decision/counters.h"
#include "daemon/message/message.h"
#include "daemon/message/shared_frame.h"
#include "daemon/protocol/deflate.h"
#include "daemon/session/hub.h"
#include "daemon/session/native.h"
#include "daemon/session/session.h"

namespace wayleave {

// Where a subscription begins, an event's id says more than before.
enum class Word : uint8_t { other, beginning };

// One or two frames; the second may be null.
struct Frames {
    Frame first;
    Frame second = nullptr;
};

// Of all connections of a worker; null until the first that agrees on compression.
struct Compressors {
    std::unique_ptr<Inflater> inflater;
    std::unique_ptr<Deflater> deflater;
};

class Framing {
  public:
    virtual ~Framing() = default;

    [[nodiscard]] virtual Frame text(Session& session, std::string_view text, Word word) const = 0;
    // `as_one`: none of them may be left out without the other.
    [[nodiscard]] virtual Frames publication(Session& session, const Publication& publication,
                                             bool as_one) const = 0;
    // The last words of the server: `$bye` and what closes the connection.
    [[nodiscard]] virtual Frame farewell(const Session& session, const Farewell& farewell) const = 0;
    [[nodiscard]] virtual const Frame& heartbeat() const = 0;
};

class WebSocketFraming final : public Framing {
  public:
    WebSocketFraming(Counters& counters, const Compressors& compressors)
        : counters_(counters), compressors_(compressors) {}

    [[nodiscard]] Frame text(Session& session, std::string_view text, Word word) const override;
    [[nodiscard]] Frames publication(Session& session, const Publication& publication,
                                     bool as_one) const override;
    [[nodiscard]] Frame farewell(const Session& session, const Farewell& farewell) const override;
    [[nodiscard]] const Frame& heartbeat() const override;
    [[nodiscard]] Frame message(const Session& session, Opcode opcode, std::string_view payload) const;

  private:
    Counters& counters_;
    const Compressors& compressors_;
};

class EventStreamFraming final : public Framing {
  public:
    EventStreamFraming(Counters& counters, const Hub& hub) : counters_(counters), hub_(hub) {}

    [[nodiscard]] Frame text(Session& session, std::string_view text, Word word) const override;
    [[nodiscard]] Frames publication(Session& session, const Publication& publication,
                                     bool as_one) const override;
    [[nodiscard]] Frame farewell(const Session& session, const Farewell& farewell) const override;
    [[nodiscard]] const Frame& heartbeat() const override;
    // An id alone: the answer to a POST is no event, so that its channel would not be in an id before the
    // next one. It is taken, and shown to nobody (WHATWG HTML 9.2.6). Null: there is nothing to say.
    [[nodiscard]] Frame position(Session& session) const;

  private:
    // Where the stream stands when this was sent, beside all that was.
    [[nodiscard]] std::string stream_id(Session& session, const Message* sent) const;

    Counters& counters_;
    const Hub& hub_;
};

}  // namespace wayleave
