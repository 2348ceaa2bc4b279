#include "daemon/session/connection_log.h"

#include "daemon/decision/counting_key.h"
#include "daemon/session/native.h"
#include "daemon/session/refusal_words.h"
#include "dsl/policy/describe.h"

namespace wayleave {
namespace {

constexpr uint64_t most_connections = 20;  // lines about one source's, within ten seconds

void add_why(Event& event, const Rejection& rejection) {
    event.with("reason", to_string(rejection.reason))
        .with("decision", rejection.decision)
        .with("rule", rejection.rule);
}

// For who asks why, when the connection may be gone and another policy in force.
void add_asides(Event& event, const dsl::Route& route, const dsl::Facts& facts, std::string_view rule,
                bool identified = true) {
    event.with_aside("rule_text", rule_in_words(route, rule));
    event.with_aside("rule_holds", findings_in_words(route, facts, rule, identified));
    event.with_aside("facts", facts_in_words(route, facts, identified));
}

// The sentence; where nothing more is known, the reason is it.
std::string sentence_of(std::string_view what, const Rejection& rejection) {
    return std::string(what) + ": " +
           (rejection.because.empty() ? std::string(to_string(rejection.reason)) : rejection.because);
}

// Many users may be behind one address, and one user may make many connections. Who is nobody is his network,
// as for limits and bans.
std::string source_of(const std::string& user, const dsl::Address& ip) {
    return user.empty() ? counted_network(ip).text() : "user " + user;
}

// What is the same again and again: a rule, or what is wrong with a request that no rule was asked about. A
// sentence may hold what a client wrote, and would be another each time.
std::string cause_of(const Rejection& rejection) {
    return rejection.decision + '\0' + std::string(to_string(rejection.reason));
}

std::string seconds_text(int64_t ms) {
    return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100);
}

}  // namespace

void ConnectionLog::refused(const dsl::Policy* policy, const dsl::Route* route, Rejection& rejection) {
    counters_.refuse(rejection.reason);
    if (!route) return;
    if (rejection.decision.empty())
        rejection.decision = decision_id(*policy, rejection.rule.empty() ? route->place : rejection.rule);
    counters_.decisions.count(rejection.decision, route->name, rejection.reason);
}

void ConnectionLog::refused(const Session& session, Rejection& rejection) {
    refused(session.binding->runtime->policy.get(), session.binding->route, rejection);
}

void ConnectionLog::tell(Event event, std::string_view source, std::string_view cause, Now now) {
    events_.tell(std::move(event), source, cause, now);
}

Event ConnectionLog::about(const Session& session, std::string_view name, std::string message) {
    Event event{name, std::move(message)};
    event.of_client = true;
    event.with("session", session_text(session.number))
        .with("user", session.user, session.nameless)
        .with("ip", session.peer.ip.text())
        .with("route", session.binding->route->name);
    return event;
}

void ConnectionLog::tell_refused(const Session& session, const Rejection& rejection, Now now) {
    Event event = about(session, "message-refused", sentence_of(handled_.action, rejection));
    event.with("action", handled_.action).with("target", handled_.target.substr(0, longest_logged_target));
    add_why(event, rejection);
    trace(event, session, rejection.rule);
    events_.tell(
        std::move(event), source_of(session.user, session.peer.ip), cause_of(rejection), now, 1,
        [&](Event& told) { add_asides(told, *session.binding->route, session.facts, rejection.rule); });
}

void ConnectionLog::trace(const Event& event, const Session& session, std::string_view rule) {
    if (!tracer_.on()) return;
    tracer_.tell(event, {session.shown_user(), session.binding->route->name, session.number, rule});
}

void ConnectionLog::tell_turned_away(const Session& session, const HttpHead& head, const TurnedAway& turned,
                                     Now now) {
    Event event{"handshake-refused", sentence_of("connect", turned.rejection)};
    event.of_client = true;
    const std::string ip = session.peer.ip.text();
    event.with("session", session_text(session.number))
        .with("user", turned.user, turned.nameless)
        .with("ip", ip)
        .with("route", turned.route ? turned.route->name : std::string_view())
        .with("action", "connect")
        .with("target", head.path.substr(0, longest_logged_target));
    add_why(event, turned.rejection);
    if (turned.foreign) event.with("origin", head.field("origin").substr(0, longest_logged_target));
    if (tracer_.on()) {
        tracer_.tell(event, {turned.nameless ? std::string_view() : turned.user,
                             turned.route ? turned.route->name : std::string_view(), session.number,
                             turned.rejection.rule});
    }
    events_.tell(std::move(event), source_of(turned.user, session.peer.ip), cause_of(turned.rejection), now,
                 1, [&](Event& told) {
                     if (turned.route)
                         add_asides(told, *turned.route, turned.facts, turned.rejection.rule,
                                    turned.identified);
                 });
}

void ConnectionLog::tell_opened(const Session& session, const Admitted& admitted, Now now) {
    const bool each = bindings_.settings().log_connections;
    if (!each && !tracer_.on()) return;
    const auto opened = [&] {
        Event event =
            about(session, "connection-opened", session.stream ? "stream opened" : "connection opened");
        const size_t rule = admitted.verdict & ~dsl::verdict_bit;
        event.with("action", "connect");
        if (admitted.alias) event.with("alias", admitted.alias->address);
        if (rule >= 2) {
            const std::string& place = admitted.route->rules[rule - 2].place;
            event.with("decision", decision_id(bindings_.policy(), place)).with("rule", place);
        }
        return event;
    };
    if (tracer_.on()) trace(opened(), session);
    if (!each) return;
    events_.tell_of("connection-opened", source_of(session.user, session.peer.ip), {}, now, most_connections,
                    opened);
}

// When the transport is gone, whoever ended it.
void ConnectionLog::tell_closed(const Session& session, Now now) {
    static const Ending lost{"lost", "the client is gone without a word", {}, {}, 0, {}, {}, false};
    const Ending& why = session.ending ? *session.ending : lost;
    const bool each = bindings_.settings().log_connections;
    if (!each && !why.refused && !tracer_.on()) return;
    const auto closed = [&] { return closed_event(session, why, now); };
    if (tracer_.on()) trace(closed(), session, why.rule);
    const std::string source = source_of(session.user, session.peer.ip);
    if (each && !why.refused)
        return events_.tell_of("connection-closed", source, {}, now, most_connections, closed);
    if (!why.refused) return;
    const std::string cause = each ? std::string() : why.decision + '\0' + why.reason;
    events_.tell(closed(), source, cause, now, each ? most_connections : 1,
                 [&](Event& told) { add_asides(told, *session.binding->route, session.facts, why.rule); });
}

Event ConnectionLog::closed_event(const Session& session, const Ending& why, Now now) {
    Event event = about(session, "connection-closed",
                        "connection closed: " + (why.because.empty() ? why.reason : why.because));
    event.with("action", why.action)
        .with("target", why.target)
        .with("reason", why.reason)
        .with("decision", why.decision)
        .with("rule", why.rule)
        .with("code", why.code == 0 ? std::string() : std::to_string(why.code))
        .with("seconds", seconds_text(now.steady_ms - session.opened_ms))
        .with("messages_in", std::to_string(session.messages_in))
        .with("messages_out", std::to_string(session.messages_out))
        .with("bytes_in", std::to_string(session.bytes_in))
        .with("bytes_out", std::to_string(session.bytes_out));
    return event;
}

void ConnectionLog::note_ending(Session& session, const Rejection& rejection) {
    if (session.ending) return;
    session.ending = std::make_unique<Ending>(Ending{
        std::string(to_string(rejection.reason)), rejection.because, rejection.decision, rejection.rule, 0,
        std::string(handled_.action), std::string(handled_.target.substr(0, longest_logged_target)), true});
}

void ConnectionLog::note_ending(Session& session, std::string_view reason, std::string_view because) {
    if (session.ending) return;
    session.ending = std::make_unique<Ending>();
    session.ending->reason = reason;
    session.ending->because = because;
}

// A proxy's connection carries the requests of many, so who asks is found for each.
void ConnectionLog::tell_of_request(const Session& session, const HttpHead& head, const Rejection& rejection,
                                    Now now) {
    const Origination client = client_behind({session.peer.ip, session.peer.tls, session.peer.unix_socket},
                                             head, bindings_.settings().proxies);
    const dsl::Route* route = route_of(bindings_.policy(), head);
    tell_of_request(client.ip, route ? route->name : std::string_view(), head.path, rejection, now);
}

void ConnectionLog::tell_of_request(const dsl::Address& client, std::string_view route, std::string_view path,
                                    const Rejection& rejection, Now now) {
    Event event{"request-refused", sentence_of("request", rejection)};
    event.of_client = true;
    event.with("ip", client.text())
        .with("route", route)
        .with("action", "request")
        .with("target", path.substr(0, longest_logged_target));
    add_why(event, rejection);
    if (tracer_.on()) tracer_.tell(event, {{}, route, 0, rejection.rule});
    events_.tell(std::move(event), source_of({}, client), cause_of(rejection), now);
}

void ConnectionLog::tell_of_unknown_client(const Peer& peer, const HttpHead& head, Now now) {
    Event event{"client-unknown",
                "a proxy does not say from whom a request is: its header holds no address there"};
    event.of_client = true;
    const std::string ip = peer.ip.text();
    event.with("ip", ip).with("action", "request").with("target", head.path.substr(0, longest_logged_target));
    events_.tell(std::move(event), ip, {}, now);
}

// The client cannot mend it, and nothing else shows that a user has no mailbox.
void ConnectionLog::tell_of_no_channel(const Session& session, const dsl::Route& route, const dsl::Join& join,
                                       Now now) {
    const std::string channel = dsl::Words{route}.pattern(join.channel);
    Event event =
        about(session, "not-joined",
              "a channel is not joined: a value in it is empty, or the name would have more than 255 "
              "bytes");
    event.with("action", "join").with("target", channel).with("rule", route.place);
    events_.tell(std::move(event), session.user.empty() ? session.peer.ip.text() : session.user, channel,
                 now);
}

const dsl::Route* route_of(const dsl::Policy& policy, const HttpHead& head) {
    dsl::RouteMatch match;
    return policy.router.find(head.authority.name, head.path, match) ? policy.routes[match.route].get()
                                                                     : nullptr;
}

}  // namespace wayleave
