// What the operator is told: a line for each refusal, and for each connection that comes and goes.
#include "daemon/decision/counting_key.h"
#include "daemon/session/gateway_impl.h"

namespace wayleave {
namespace {

constexpr size_t longest_target = 256;
constexpr uint64_t most_connections = 20;  // lines about one source's, within ten seconds

void add_why(Event& event, const Rejection& rejection) {
    event.with("reason", to_string(rejection.reason))
        .with("decision", rejection.decision)
        .with("rule", rejection.rule);
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

// Counts it, and gives it the name under which it can be looked up.
void Gateway::Impl::refused(const dsl::Policy* policy, const dsl::Route* route, Rejection& rejection) {
    counters.refuse(rejection.reason);
    if (!route) return;
    if (rejection.decision.empty())
        rejection.decision = decision_id(*policy, rejection.rule.empty() ? route->place : rejection.rule);
    counters.decisions.count(rejection.decision, route->name, rejection.reason);
}

// About an open connection.
Event Gateway::Impl::about(const Session& session, std::string_view name, std::string message) {
    Event event{name, std::move(message)};
    event.of_client = true;
    event.with("session", session_text(session.number))
        .with("user", session.user, session.nameless)
        .with("ip", session.peer.ip.text())
        .with("route", session.binding->route->name);
    return event;
}

void Gateway::Impl::tell_refused(const Session& session, const Rejection& rejection, Now now) {
    Event event = about(session, "message-refused", sentence_of(handled_.action, rejection));
    event.with("action", handled_.action).with("target", handled_.target.substr(0, longest_target));
    add_why(event, rejection);
    events_.tell(std::move(event), source_of(session.user, session.peer.ip), cause_of(rejection), now);
}

void Gateway::Impl::tell_turned_away(const Session& session, const HttpHead& head, const TurnedAway& turned,
                                     Now now) {
    Event event{"handshake-refused", sentence_of("connect", turned.rejection)};
    event.of_client = true;
    const std::string ip = session.peer.ip.text();
    event.with("session", session_text(session.number))
        .with("user", turned.user, turned.nameless)
        .with("ip", ip)
        .with("route", turned.route ? turned.route->name : std::string_view())
        .with("action", "connect")
        .with("target", head.path.substr(0, longest_target));
    add_why(event, turned.rejection);
    if (turned.foreign) event.with("origin", head.field("origin").substr(0, longest_target));
    events_.tell(std::move(event), source_of(turned.user, session.peer.ip), cause_of(turned.rejection), now);
}

void Gateway::Impl::tell_opened(const Session& session, const Admitted& admitted, Now now) {
    if (!runtime_->settings.log_connections) return;
    Event event = about(session, "connection-opened", session.stream ? "stream opened" : "connection opened");
    const size_t rule = admitted.verdict & ~dsl::verdict_bit;
    event.with("action", "connect");
    if (rule >= 2) {
        const std::string& place = admitted.route->rules[rule - 2].place;
        event.with("decision", decision_id(*runtime_->policy, place)).with("rule", place);
    }
    events_.tell(std::move(event), source_of(session.user, session.peer.ip), {}, now, most_connections);
}

// When the transport is gone, whoever ended it.
void Gateway::Impl::tell_closed(const Session& session, Now now) {
    static const Ending lost{"lost", "the client is gone without a word", {}, {}, 0, {}, {}, false};
    const Ending& why = session.ending ? *session.ending : lost;
    const bool each = runtime_->settings.log_connections;
    if (!each && !why.refused) return;
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
    const std::string cause = each ? std::string() : why.decision + '\0' + why.reason;
    events_.tell(std::move(event), source_of(session.user, session.peer.ip), cause, now,
                 each ? most_connections : 1);
}

// The first reason counts: what comes after it is its consequence.
void Gateway::Impl::note_ending(Session& session, const Rejection& rejection) {
    if (session.ending) return;
    session.ending = std::make_unique<Ending>(Ending{
        std::string(to_string(rejection.reason)), rejection.because, rejection.decision, rejection.rule, 0,
        std::string(handled_.action), std::string(handled_.target.substr(0, longest_target)), true});
}

void Gateway::Impl::note_ending(Session& session, std::string_view reason, std::string_view because) {
    if (session.ending) return;
    session.ending = std::make_unique<Ending>();
    session.ending->reason = reason;
    session.ending->because = because;
}

// A proxy's connection carries the requests of many, so who asks is found for each.
void Gateway::Impl::tell_of_request(const Session& session, const HttpHead& head, const Rejection& rejection,
                                    Now now) {
    const Origination client = client_behind({session.peer.ip, session.peer.tls, session.peer.unix_socket},
                                             head, runtime_->settings.proxies);
    const dsl::Route* route = route_of(head);
    tell_of_request(client.ip, route ? route->name : std::string_view(), head.path, rejection, now);
}

void Gateway::Impl::tell_of_request(const dsl::Address& client, std::string_view route, std::string_view path,
                                    const Rejection& rejection, Now now) {
    Event event{"request-refused", sentence_of("request", rejection)};
    event.of_client = true;
    event.with("ip", client.text())
        .with("route", route)
        .with("action", "request")
        .with("target", path.substr(0, longest_target));
    add_why(event, rejection);
    events_.tell(std::move(event), source_of({}, client), cause_of(rejection), now);
}

void Gateway::Impl::tell_of_unknown_client(const Peer& peer, const HttpHead& head, Now now) {
    Event event{"client-unknown",
                "a proxy does not say from whom a request is: its header holds no address there"};
    event.of_client = true;
    const std::string ip = peer.ip.text();
    event.with("ip", ip).with("action", "request").with("target", head.path.substr(0, longest_target));
    events_.tell(std::move(event), ip, {}, now);
}

// For whom nothing has matched, or where its head is not known any more.
void Gateway::Impl::refuse_request(Session& session, int status, Rejection rejection,
                                   std::string_view headers, Now now) {
    counters.refuse(rejection.reason);
    const auto* post = session.post.get();
    tell_of_request(post ? post->client : session.peer.ip, {}, post ? post->path : std::string(), rejection,
                    now);
    send_last(session, problem_response(status, to_string(rejection.reason), rejection, false, headers));
}

}  // namespace wayleave
