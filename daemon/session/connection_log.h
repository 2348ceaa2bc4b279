// What the operator is told, in counters and in the log: each refusal under the name by which it can be
// looked up, and each connection that comes and goes. One thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/decision/admission.h"
#include "daemon/decision/counters.h"
#include "daemon/decision/rejection.h"
#include "daemon/session/bindings.h"
#include "daemon/session/event_log.h"
#include "daemon/session/session.h"
#include "daemon/session/tracer.h"

namespace wayleave {

// Of what a client names, at most so many bytes are written.
constexpr size_t longest_logged_target = 256;

// What a client asks for whose message is being handled.
struct Handled {
    std::string_view action;
    std::string_view target;
};

class ConnectionLog {
  public:
    ConnectionLog(Counters& counters, std::vector<Event>& out, const Bindings& bindings, Tracer& tracer)
        : counters_(counters), bindings_(bindings), tracer_(tracer), events_(out, counters.events_lost) {}

    void tick(Now now) { events_.tick(now); }
    void forget() { events_.forget(); }  // memory is short

    // For the lines until it is set again.
    void set_handled(Handled handled) { handled_ = handled; }
    // Likewise, and tells who watches the connection.
    void begin_handling(const Session& session, Handled handled, size_t bytes) {
        handled_ = handled;
        if (tracer_.on()) tracer_.received(session, handled.action, handled.target, bytes);
    }
    // Of a backend, by a stream, for who watches the connection.
    void streamed(const Session& session, std::string_view stream, size_t bytes) {
        if (tracer_.on()) tracer_.streamed(session, stream, bytes);
    }
    // Counts it, and gives it the name under which it can be looked up.
    void refused(const dsl::Policy* policy, const dsl::Route* route, Rejection& rejection);
    // By the policy that the session is bound to.
    void refused(const Session& session, Rejection& rejection);

    // Why a session ends. The first reason counts: what comes after it is its consequence.
    void note_ending(Session& session, const Rejection& rejection);
    static void note_ending(Session& session, std::string_view reason, std::string_view because);

    // An event about an open connection.
    [[nodiscard]] static Event about(const Session& session, std::string_view name, std::string message);
    // Bounded for each source, and for each cause of it: see EventLog.
    void tell(Event event, std::string_view source, std::string_view cause, Now now);
    void tell_refused(const Session& session, const Rejection& rejection, Now now);
    void tell_turned_away(const Session& session, const HttpHead& head, const TurnedAway& turned, Now now);
    void tell_opened(const Session& session, const Admitted& admitted, Now now);
    void tell_closed(const Session& session, Now now);
    void tell_of_request(const Session& session, const HttpHead& head, const Rejection& rejection, Now now);
    void tell_of_request(const dsl::Address& client, std::string_view route, std::string_view path,
                         const Rejection& rejection, Now now);
    void tell_of_unknown_client(const Peer& peer, const HttpHead& head, Now now);
    void tell_of_no_channel(const Session& session, const dsl::Route& route, const dsl::Join& join, Now now);

  private:
    [[nodiscard]] static Event closed_event(const Session& session, const Ending& why, Now now);
    // For who watches the connection.
    void trace(const Event& event, const Session& session, std::string_view rule = {});

    Counters& counters_;
    const Bindings& bindings_;
    Tracer& tracer_;
    EventLog events_;
    Handled handled_;
};

// The route of the policy that has the head's address, or null.
[[nodiscard]] const dsl::Route* route_of(const dsl::Policy& policy, const HttpHead& head);

}  // namespace wayleave
