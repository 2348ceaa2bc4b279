#include "daemon/session/opening.h"

#include <utility>

#include "daemon/message/sse.h"
#include "daemon/session/native.h"

namespace wayleave {

// The header of a browser, or the parameter of a program that makes its own requests.
std::optional<std::string> last_event_id(const HttpHead& head) {
    if (head.count("last-event-id") > 0) return std::string(head.field("last-event-id"));
    return query_value(head.query, "last_event_id");
}

Opening::Opening(uint32_t worker, Bindings& bindings, ConnectionSlots& slots, Hub& hub,
                 Subscriptions& subscriptions, Replayer& replayer, NativeDialect& native, PostRelay& relay,
                 ShadowComparison& shadow, Compressors& compressors, Deadlines& deadlines, ConnectionLog& log,
                 Outbox& outbox, Notifications& notifications, FoldedStreams& streams, Tunnels& tunnels,
                 KeptCredentials& kept, Counters& counters, std::mt19937_64& random)
    : worker_(worker),
      bindings_(bindings),
      slots_(slots),
      hub_(hub),
      subscriptions_(subscriptions),
      replayer_(replayer),
      native_(native),
      relay_(relay),
      shadow_(shadow),
      compressors_(compressors),
      deadlines_(deadlines),
      log_(log),
      outbox_(outbox),
      notifications_(notifications),
      streams_(streams),
      tunnels_(tunnels),
      kept_(kept),
      counters_(counters),
      random_(random) {}

// A connection is open, whatever it speaks.
void Opening::activate(Session& session, Admitted& admitted, Now now) {
    if (admitted.alias) {
        counters_.alias_handshakes.add();
        counters_.aliases.opened(admitted.alias->address);
        session.alias = std::make_unique<const std::string>(admitted.alias->address);
    }
    if (admitted.expired_alias) counters_.expired_aliases.add();
    counters_.connections.set(counters_.connections.get() + 1);
    session.state = Session::State::open;
    session.opened_ms = session.last_heard_ms = session.last_ping_ms = now.steady_ms;
    session.expires_ms = admitted.expires_ms;
    session.token = admitted.token;
    session.key = admitted.key;
    session.user = admitted.user;
    session.nameless = admitted.nameless;
    session.binding = bindings_.bind(*admitted.route, admitted.answers);
    shadow_.connect(session, *admitted.route, admitted.facts, admitted.verdict, now);
    session.facts = std::move(admitted.facts);
    kept_.keep(session, std::exchange(admitted.shown, std::nullopt), now);
    if (admitted.trace) session.trace = std::make_unique<const Trace>(*admitted.trace);
    session.entered = std::move(admitted.entered);
    if (!admitted.places.empty())
        session.places =
            std::make_unique<std::vector<std::shared_ptr<const HeldPlace>>>(std::move(admitted.places));
    for (Seat& seat : admitted.connection_slots) {
        slots_.take(seat.key, seat.most, {worker_, pack(session.id), session.number});
        session.connection_slots.push_back(std::move(seat.key));
    }
    log_.tell_opened(session, admitted, now);
}

void Opening::open(Session& session, Admitted admitted, const HttpHead& head, const Upgrade& upgrade,
                   Now now) {
    counters_.handshakes.add();
    counters_.handshake_time.add((now.steady_ms - session.opened_ms) * 1000);
    const std::string only = admitted.alias ? admitted.alias->stream : "";
    session.unwrapped = !only.empty();
    activate(session, admitted, now);
    if (!admitted.route->proxies.empty()) {
        session.tunnelled = true;
        notifications_.connected(session, now);
        tunnels_.open(session, head, now);
        return deadlines_.reschedule(session, now);
    }
    const std::string extensions = agree_on_compression(session, *admitted.route, upgrade);
    outbox_.queue(session,
                  framed(switching_protocols(accept_key(upgrade.key), admitted.protocol, extensions)));
    if (admitted.route->dialect == dsl::Dialect::native && !session.unwrapped) {
        if (session.token != 0) relay_.reach(session.number, session.id);
        join(session, admitted, now);
    }
    notifications_.connected(session, now);
    streams_.opened(session, head, only, now);
    deadlines_.reschedule(session, now);
}

// The extensions that are answered.
std::string Opening::agree_on_compression(Session& session, const dsl::Route& route, const Upgrade& upgrade) {
    if (!route.compression || !upgrade.deflate) return {};
    if (!compressors_.inflater) compressors_.inflater = std::make_unique<Inflater>();
    if (!compressors_.deflater) compressors_.deflater = std::make_unique<Deflater>();
    session.deflate_bits = upgrade.deflate->window_bits;
    counters_.compressed_handshakes.add();
    return deflate_answer(*upgrade.deflate);
}

void Opening::join(Session& session, const Admitted& admitted, Now now) {
    const dsl::Route& route = *admitted.route;
    const dsl::Request request = request_for(session.facts, session.number);
    const auto& residual = session.binding->residual;
    std::vector<Hello::Joined> joined;
    for (const dsl::Join& join : route.joins) {
        if (dsl::decide(route.program, residual.nodes, residual.roots[join.condition], request) == dsl::never)
            continue;
        if (session.subscriptions.size() >= route.max_subscriptions) break;
        if (!dsl::build_channel(route.program, join.channel, request, channel_)) {
            log_.tell_of_no_channel(session, route, join, now);
            continue;
        }
        if (Channel* entered = subscriptions_.enter(session, channel_, Entered::by_route, now))
            joined.push_back(replayer_.begin_joined(session, *entered, now));
    }
    Hello hello{session.number,    session.shown_user(), route.ping_every_ms,
                route.max_message, std::move(joined),    session.expires_ms};
    outbox_.send_text(session, hello_text(hello), now, dsl::Lane::normal, Word::beginning);
    session.queue.commit();  // nothing overtakes it
    replayer_.replay_some(session, now);
}

void Opening::open_stream(Session& session, Admitted admitted, const HttpHead& head,
                          const std::string& headers, Now now) {
    session.stream = true;
    counters_.streams_opened.add();
    counters_.handshake_time.add((now.steady_ms - session.opened_ms) * 1000);
    counters_.streams.set(counters_.streams.get() + 1);
    relay_.reach(session.number, session.id);
    // What is not ours or malformed is as good as none, but its sender has been here: it is told of the gap.
    session.events = std::make_unique<EventStream>();
    if (const auto id = last_event_id(head))
        session.events->resumed =
            std::make_unique<StreamPositions>(StreamPositions::parse(*id).value_or(StreamPositions()));
    const std::vector<std::string> channels = query_values(head.query, "channel");
    activate(session, admitted, now);
    const auto retry_ms = static_cast<int64_t>(reconnect_min_ms + static_cast<int64_t>(random_() % 1500));
    outbox_.queue(session, framed(sse_response_head(headers) + sse_retry(retry_ms)));
    join(session, admitted, now);
    notifications_.connected(session, now);
    streams_.opened(session, head, "", now);
    for (const std::string& channel : channels) native_.subscribe_by_address(session, channel, now);
    resume_posted(session, now);
    session.events->resumed.reset();
    deadlines_.reschedule(session, now);
}

// A browser comes again to the same address, which knows nothing of what was subscribed by POST.
void Opening::resume_posted(Session& session, Now now) {
    if (!session.events->resumed) return;
    const std::vector<std::string> names = session.events->resumed->names();
    for (const std::string& name : names) {
        if (hub_.is_subscribed(session, name)) continue;
        native_.subscribe_by_address(session, name, now);
        if (hub_.is_subscribed(session, name)) session.events->posted.push_back(name);
    }
}

}  // namespace wayleave
