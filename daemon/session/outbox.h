// What waits for the clients of one worker, and what becomes of those that read too slowly. Sending never
// ends a session inside its caller, who may be in the middle of the lists that the session is in: it is
// marked, and closed when the event is over. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/session/actions.h"
#include "daemon/session/ban_counter.h"
#include "daemon/session/bindings.h"
#include "daemon/session/connection_log.h"
#include "daemon/session/framing.h"

namespace wayleave {

// A session that ends with the event.
struct MarkedEnd {
    ConnectionId id;
    Rejection rejection;
    std::optional<Farewell> farewell;  // else as its route wants for that reason
};

struct QueueBounds {
    size_t bytes;
    size_t frames;
};

class Outbox {
  public:
    Outbox(Actions& actions, Counters& counters, const Bindings& bindings, ConnectionLog& log,
           BanCounter& ban_counter, const Framing& web_socket, const Framing& event_stream);

    // What is sent to a session that is not open is nothing.
    void send(Session& session, Frame frame, Now now, dsl::Lane lane = dsl::Lane::normal);
    void send_text(Session& session, std::string_view text, Now now, dsl::Lane lane = dsl::Lane::normal,
                   Word word = Word::other);
    // Whether several publications may go to it as one frame, which gives way to nothing.
    [[nodiscard]] bool takes_as_one(const Session& session, size_t bytes, size_t messages) const;
    void send_as_one(Session& session, const Frame& joined, size_t messages, dsl::Lane lane, Now now);
    // Where the route or the channel says so, it or another gives way instead of the reader.
    void send_publication(Session& session, const Publication& publication, const dsl::ChannelRules& rules,
                          Now now);
    void heartbeat(Session& session, Now now);
    // Before and after a session is open, when nothing judges how much waits.
    void queue(Session& session, Frame frame);
    void send_last(Session& session, std::string bytes);
    void send_farewell(Session& session, const Farewell& farewell);
    // What is queued is the last of it.
    void finish(Session& session);
    // Closes the transport, whatever is queued.
    void abort(Session& session);

    // Ends the session in the form that the route wants for that reason, when the event is over.
    void end(Session& session, Rejection rejection, Now now);
    // Likewise, in this form; it has been refused already.
    void end_with(Session& session, Farewell farewell);
    [[nodiscard]] std::vector<MarkedEnd> take_marked() { return std::exchange(ending_, {}); }

    // The socket takes no more. The queue is judged now.
    void blocked(Session& session, Now now);
    // True if the queue is empty, and the session is open: it may be offered more.
    [[nodiscard]] bool sent(Session& session, size_t bytes, Now now);
    // The client will take no more: it is gone, or was told the last of it.
    void forget(Session& session) { set_stalled(session, false); }
    struct Holding {
        Session* session = nullptr;
        size_t bytes = 0;  // that wait for it, and for backends in its name
    };
    // Memory is short: ends those for whom most is waiting, until half of all that waits is free.
    void shed(std::vector<Holding> holding, Now now);

    [[nodiscard]] QueueBounds bounds_of(const Session& session) const;
    [[nodiscard]] size_t stalled() const { return stalled_; }  // connections whose socket has not taken all

  private:
    void send_droppable(Session& session, Frame frame, dsl::SlowConsumer slow, dsl::Lane lane, Now now);
    [[nodiscard]] static QueueBounds burst_of(const QueueBounds& bounds);
    [[nodiscard]] dsl::Lane lane_for(Session& session, dsl::Lane lane);
    [[nodiscard]] const Framing& framing(const Session& session) const {
        return session.stream ? event_stream_ : web_socket_;
    }
    void push(Session& session, Frame frame, Now now, dsl::Lane lane, SendQueue::Give give);
    void set_stalled(Session& session, bool is_stalled);
    void left_out(Session& session, size_t messages);
    void too_slow(Session& session, Now now);
    void list_flush(Session& session);

    Actions& actions_;
    Counters& counters_;
    const Bindings& bindings_;
    ConnectionLog& log_;
    BanCounter& ban_counter_;
    const Framing& web_socket_;
    const Framing& event_stream_;
    std::vector<MarkedEnd> ending_;
    size_t stalled_ = 0;
};

}  // namespace wayleave
