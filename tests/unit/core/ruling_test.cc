// Rules with `by`: a backend says who may subscribe; what waits for it, what is believed, what a reload asks.
#include "daemon/message/backend_reply.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string base = R"(
token session { keys = file "k"  exp = optional  from query "token"  claim sub : string required
                claim level : int else 0 }
backend app { url = "http://127.0.0.1:1" }
route chat /chat {
    auth = session  origins = { none }
    idle_timeout = 0s  ping_every = 0s
    allow connect
    deny subscribe on room/secret because "never"
    allow subscribe on room/:room by app "/rooms/{room}/may-join"
    allow subscribe on room/open, news
    allow publish on **
}
)";

BackendAnswer answer_of(int status, std::string body = "", std::string type = "application/json") {
    BackendAnswer out;
    out.kind = BackendAnswer::Kind::answered;
    out.status = status;
    out.body = std::move(body);
    out.content_type = std::move(type);
    return out;
}

struct Asking : World {
    explicit Asking(const std::string& policy = base) : World(policy) {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        runtime->backends = {app};
        ann = connect(as("ann"));
        (void)read(ann);
    }
    static std::string as(const std::string& user) {
        return "/chat?token=%7B%22sub%22:%22" + user + "%22%7D";
    }
    void subscribe(ConnectionId id, const std::string& channel) {
        say(id, R"({"type":"$subscribe","$id":1,"channel":")" + channel + "\"}");
    }
    std::vector<BackendCall> calls() { return std::exchange(gateway->actions().calls, {}); }
    BackendCall call() {
        auto list = calls();
        REQUIRE(list.size() == 1);
        return list.front();
    }
    void answer(const BackendCall& to, const BackendAnswer& with) {
        gateway->backend_answered(to.number, with, now);
    }
    void reload(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        ++next->generation;
        gateway->replace(next, now);
        later(100);
        later(100);
    }
    ConnectionId ann;
};

std::string changed() {
    std::string text = base;
    return text.insert(text.find("allow publish"), "allow history on x\n    ");
}

}  // namespace

TEST_CASE("a backend is asked about what nothing else allows, and its word stands") {
    Asking world;
    world.subscribe(world.ann, "room/secret");
    CHECK_THAT(world.last(world.ann), Contains("\"because\":\"never\""));
    world.subscribe(world.ann, "room/open");
    CHECK_THAT(world.last(world.ann), Contains("$subscribed"));
    CHECK(world.calls().empty());

    world.subscribe(world.ann, "room/a b");
    world.subscribe(world.ann, "room/a");
    CHECK(world.read(world.ann).find("$subscribed") == std::string::npos);
    const auto asked = world.call();
    CHECK(asked.request.method == "POST");
    CHECK(asked.request.path == "/rooms/a/may-join");
    CHECK_THAT(asked.request.body, Contains("\"type\":\"subscribe\"") && Contains("\"channel\":\"room/a\"") &&
                                       Contains("\"user\":\"ann\"") && Contains(asked.request.id));
    world.answer(asked, answer_of(200));
    CHECK(world.last(world.ann) == R"({"type":"$subscribed","re":1,"channel":"room/a"})");
    CHECK(world.counters.rulings.get() == 1);

    world.subscribe(world.ann, "room/b");
    world.answer(world.call(), answer_of(403, R"({"error":"not_a_member","detail":"ask the owner"})"));
    CHECK_THAT(world.last(world.ann),
               Contains("\"error\":\"not_a_member\"") && Contains("\"because\":\"ask the owner\""));
    CHECK(world.counters.rulings_no.get() == 1);
}

TEST_CASE("only what is surely a yes is one") {
    for (const BackendAnswer& lie :
         {answer_of(200, "<html>log in</html>", "text/html"), answer_of(200, R"({"allowed":false})"),
          answer_of(200, R"({"for":-1})"), answer_of(200, R"({"for":"1"})"), answer_of(200, R"([])"),
          answer_of(200, R"({"for":1,"for":2})"), answer_of(302), answer_of(401), answer_of(404),
          answer_of(500), BackendAnswer{}}) {
        Asking world;
        world.subscribe(world.ann, "room/a");
        world.answer(world.call(), lie);
        INFO(lie.status << " " << lie.body);
        CHECK_THAT(world.last(world.ann), Contains("\"error\":\"unavailable\""));
        CHECK(world.counters.rulings_failed.get() == 1);
        CHECK(world.gateway->receivers(Receivers{0, "room/a", 0, 0}) == 0);
    }
    CHECK(read_ruling(answer_of(200, R"({"for":1e9})")).believed_ms == 24 * 3600 * 1000);
    CHECK(read_ruling(answer_of(204)).kind == BackendRuling::Kind::yes);
}

TEST_CASE("a question is asked once at a time, and a yes is believed as long as it says") {
    Asking world;
    const auto again = world.connect(Asking::as("ann"));
    const auto bob = world.connect(Asking::as("bob"));
    world.subscribe(world.ann, "room/a");
    world.subscribe(again, "room/a");
    const auto asked = world.call();
    world.subscribe(bob, "room/a");
    const auto other = world.call();  // he is somebody else
    world.answer(asked, answer_of(200, R"({"for":60})"));
    CHECK_THAT(world.last(world.ann), Contains("$subscribed"));
    CHECK_THAT(world.last(again), Contains("$subscribed"));
    CHECK(world.counters.rulings_shared.get() == 1);
    world.answer(other, answer_of(403));
    CHECK_THAT(world.last(bob), Contains("\"error\":\"forbidden\""));

    const auto third = world.connect(Asking::as("ann"));
    world.subscribe(third, "room/a");
    CHECK_THAT(world.last(third), Contains("$subscribed"));
    CHECK(world.counters.rulings_believed.get() == 1);
    world.later(61'000);
    const auto fourth = world.connect(Asking::as("ann"));
    world.subscribe(fourth, "room/a");
    CHECK(world.calls().size() == 1);
    // Under pressure nothing is believed.
    const auto fifth = world.connect(Asking::as("ann"));
    world.gateway->shed(world.now);
    world.subscribe(fifth, "room/a");
    CHECK(world.counters.rulings_believed.get() == 1);
}

TEST_CASE("a channel keeps its order behind a question, and nothing else waits") {
    Asking world;
    world.subscribe(world.ann, "room/a");
    world.say(world.ann, R"({"type":"$publish","$id":2,"channel":"room/a","data":{"type":"own"}})");
    world.say(world.ann, R"({"type":"$unsubscribe","$id":3,"channel":"room/a"})");
    world.say(world.ann, R"({"type":"$subscribe","$id":4,"channel":"news"})");
    CHECK_THAT(world.last(world.ann), Contains("\"re\":4"));
    world.answer(world.call(), answer_of(200));
    const std::string all = world.read(world.ann);
    const auto at = [&](const std::string& text) {
        INFO(all);
        REQUIRE(all.find(text) != std::string::npos);
        return all.find(text);
    };
    CHECK(at("\"re\":1") < at("\"re\":2"));
    CHECK(at("\"re\":2") < at("\"re\":3"));
}

TEST_CASE("what waits is bounded, and dies with its session") {
    Asking world;
    world.subscribe(world.ann, "room/a");
    for (int i = 0; i < 64; ++i) world.say(world.ann, R"({"type":"$unsubscribe","channel":"room/a"})");
    world.say(world.ann, R"({"type":"$unsubscribe","$id":9,"channel":"room/a"})");
    CHECK_THAT(world.last(world.ann), Contains("\"error\":\"limited\""));
    for (int i = 0; i < 127; ++i) world.subscribe(world.ann, "room/r" + std::to_string(i));
    world.subscribe(world.ann, "room/z");
    CHECK_THAT(world.last(world.ann), Contains("\"error\":\"limited\""));
    const auto asked = world.calls();
    world.gone(world.ann);
    for (const BackendCall& one : asked) world.answer(one, answer_of(200));
    world.later(100);
    CHECK(world.counters.subscriptions.get() == 0);
}

TEST_CASE("a reload asks again, unless the answer is believed still") {
    for (const bool believed : {false, true}) {
        Asking world;
        world.subscribe(world.ann, "room/a");
        world.answer(world.call(), answer_of(200, believed ? R"({"for":600})" : ""));
        (void)world.read(world.ann);
        world.reload(changed());
        if (believed) {
            CHECK(world.calls().empty());
            continue;
        }
        const auto first = world.call();
        CHECK(world.read(world.ann).empty());  // it stays meanwhile
        world.answer(first, answer_of(503));   // who is away takes nothing back
        CHECK(world.read(world.ann).empty());
        world.reload(base);
        world.answer(world.call(), answer_of(403, R"({"because":"you have left"})"));
        CHECK(
            world.last(world.ann) ==
            R"({"type":"$unsubscribed","channel":"room/a","reason":"forbidden","because":"you have left"})");
        CHECK(world.counters.vouched_lost.get() == 1);
    }
}

TEST_CASE(
    "what another rule allowed is asked about when only a backend may allow it, and lost without an answer") {
    Asking world;
    world.subscribe(world.ann, "room/open");
    (void)world.read(world.ann);
    std::string text = base;
    text.replace(text.find("room/open, "), 11, "");
    world.reload(text);
    world.answer(world.call(), answer_of(500));
    CHECK_THAT(world.last(world.ann), Contains("\"reason\":\"unavailable\""));
}
