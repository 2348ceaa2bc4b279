#include "daemon/session/outbox.h"

#include "gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;

namespace {

struct Desk {
    Desk() {
        runtime->policy =
            policy_from("route r /r { origins = { none }  allow connect  max_queue = 1kb  auth = none }");
        runtime->settings.max_queue_messages = 4;
        bindings.replace(runtime);
        dsl::Request request;
        session.id = {1, 1};
        session.state = Session::State::open;
        request.facts = &session.facts;
        const dsl::Route& route = *runtime->policy->routes[0];
        session.binding = bindings.bind(route, dsl::early_answers(route.program, request));
    }

    std::shared_ptr<Runtime> runtime = std::make_shared<Runtime>();
    Actions actions;
    Counters counters;
    MessageBook messages;
    Bindings bindings{runtime, messages};
    BanTable bans;
    Tracer tracer{actions.events, counters.events_lost};
    ConnectionLog log{counters, actions.events, bindings, tracer};
    BanCounter ban_counter{bans, log};
    LocalBroker broker;
    Hub hub{0, broker};
    Compressors compressors;
    WebSocketFraming web_socket{counters, compressors};
    EventStreamFraming event_stream{counters, hub};
    Outbox outbox{actions, counters, bindings, log, ban_counter, web_socket, event_stream};
    Session session;
    Now now{1000, 1000};
};

}  // namespace

TEST_CASE("sending marks a reader that is too slow, and does not end it") {
    Desk desk;
    for (int i = 0; i < 4; ++i) desk.outbox.send_text(desk.session, "news", desk.now);
    CHECK(desk.actions.flush.size() == 1);
    desk.outbox.blocked(desk.session, desk.now);  // within its bounds
    CHECK(desk.session.state == Session::State::open);
    CHECK(desk.outbox.stalled() == 1);
    desk.outbox.send_text(desk.session, "one too many", desk.now);
    desk.outbox.blocked(desk.session, desk.now);
    CHECK(desk.session.state == Session::State::ending);
    const auto marked = desk.outbox.take_marked();
    REQUIRE(marked.size() == 1);
    CHECK((marked[0].id == desk.session.id && marked[0].rejection.reason == Reason::slow));
    CHECK(desk.outbox.take_marked().empty());
    const size_t frames = desk.session.queue.frames();
    desk.outbox.send_text(desk.session, "nobody hears it", desk.now);
    CHECK(desk.session.queue.frames() == frames);
    desk.outbox.forget(desk.session);
    CHECK(desk.outbox.stalled() == 0);
}

TEST_CASE("a reader that takes everything is told what was left out meanwhile") {
    Desk desk;
    desk.outbox.send_text(desk.session, "news", desk.now);
    CHECK_FALSE(desk.outbox.sent(desk.session, 3, desk.now));
    std::vector<char> scratch;
    desk.session.queue.consume(desk.session.queue.gather(scratch, 65536).size());
    desk.session.left_out = 7;
    CHECK(desk.outbox.sent(desk.session, 3, desk.now));
    CHECK(std::string(desk.session.queue.gather(scratch, 65536)).find("$dropped") != std::string::npos);
    CHECK(desk.session.left_out == 0);
}

TEST_CASE("the last words replace what does not fit, and nothing follows them on a stream") {
    Desk desk;
    desk.session.stream = true;
    desk.session.events = std::make_unique<EventStream>();
    desk.outbox.send_text(desk.session, std::string(700, 'x'), desk.now);
    desk.session.state = Session::State::closing;
    desk.outbox.send_farewell(desk.session, {1001, "drain", "the server is stopping", 1000});
    std::vector<char> scratch;
    const std::string bytes(desk.session.queue.gather(scratch, 65536));
    CHECK(bytes.find("xxx") == std::string::npos);
    CHECK(bytes.find("the server is stopping") != std::string::npos);
    CHECK(desk.session.last_bytes);
}
