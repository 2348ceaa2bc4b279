// `recheck`: a backend is asked again about those who are connected; what its answers do to them.

#include "daemon/session/kept_credentials.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string base = R"(
backend app { url = "http://127.0.0.1:1" }
token cookie { check = app "/whoami"  recheck = 60s  from cookie "sid"
               claim sub : string required  claim level : int else 0 }
token signed { keys = file "k"  exp = optional  from query "token"
               claim sub : string required  claim level : int else 0 }
route chat /chat {
    auth = { cookie, signed }  origins = { none }
    idle_timeout = 0s  ping_every = 0s
    allow connect
    deny connect if ip == 10.0.0.9
    allow subscribe on room/:room by app "/rooms/{room}/may-join"
    allow subscribe on staff if user.level > 5
    allow subscribe on news
}
)";

struct Rechecking : World {
    explicit Rechecking(const std::string& policy = base) : World(policy) {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        runtime->backends = {app};
    }
    ConnectionId come(const std::string& claims = R"({"sub":"ann"})", const std::string& sid = "ask-1",
                      const std::string& path = "/chat") {
        const ConnectionId id = connect(path, "Cookie: sid=" + sid + "\r\n");
        for (const CredentialQuestion& one : questions()) {
            CHECK_FALSE(one.asking.since_ms);
            gateway->answered(one.id, one.number, Proof::good(claims), now);
        }
        (void)read(id);
        return id;
    }
    std::vector<CredentialQuestion> questions() { return std::exchange(gateway->actions().questions, {}); }
    // What is asked within the time.
    std::vector<CredentialQuestion> within(int64_t ms) {
        for (int64_t done = 0; done < ms; done += 100) later(100);
        return questions();
    }
    CredentialQuestion asked() {
        auto list = within(60'200);
        REQUIRE(list.size() == 1);
        return list.front();
    }
    void answer(const CredentialQuestion& to, Proof with) {
        gateway->answered(to.id, to.number, std::move(with), now);
        turn();
    }
    void reload(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        ++next->generation;
        gateway->replace(next, now);
        later(100);
        later(100);
    }
    std::vector<Event> events() { return std::exchange(gateway->actions().events, {}); }
};

std::string with(const std::string& text, const std::string& instead) {
    std::string out = base;
    return out.replace(out.find(text), text.size(), instead);
}

}  // namespace

TEST_CASE("a session is asked about again for as long as it lives, and a no ends it") {
    Rechecking world;
    const ConnectionId ann = world.come();
    CHECK(world.counters.recheck_bytes.get() > 0);
    for (int i = 0; i < 3; ++i) {
        const auto question = world.asked();
        CHECK(question.credential.text == "ask-1");
        REQUIRE(question.asking.since_ms);
        CHECK(*question.asking.since_ms <= world.now.steady_ms);
        world.answer(question, Proof::good(R"({"sub":"ann"})"));
        CHECK(world.read(ann).empty());
    }
    CHECK(world.counters.rechecks.get() == 3);
    CHECK(world.counters.reevaluated.get() == 0);
    world.answer(world.asked(), Proof::refused("the backend does not know this token"));
    const auto frames = world.frames(ann);
    REQUIRE(frames.size() == 2);
    CHECK_THAT(frames[0], Contains("\"reason\":\"unauthenticated\""));
    CHECK_THAT(frames[1], Contains("close 4401"));
    CHECK(world.counters.recheck_ended.get() == 1);
    world.events();
    world.gone(ann);
    CHECK(world.counters.recheck_bytes.get() == 0);
    const auto events = world.events();
    REQUIRE(events.size() == 1);
    CHECK(events[0].name == "connection-closed");
    CHECK_THAT(events[0].message, Contains("the backend does not know this token"));
    std::map<std::string, std::string, std::less<>> fields;
    for (const EventField& field : events[0].fields) {
        fields[std::string(field.key)] = field.value;
        CHECK(field.value.find("ask-1") == std::string::npos);
    }
    CHECK(fields["reason"] == "unauthenticated");
    CHECK_FALSE(fields["decision"].empty());
    CHECK(world.within(120'000).empty());
}

TEST_CASE("only who came with such a token pays for it") {
    Rechecking world;
    const ConnectionId signed_one = world.connect("/chat?token=%7B%22sub%22:%22eve%22%7D");
    CHECK_THAT(world.read(signed_one), Contains("$hello"));
    CHECK(world.counters.recheck_bytes.get() == 0);
    CHECK(world.within(120'000).empty());
}

TEST_CASE("streams are asked about, too") {
    Rechecking world;
    const ConnectionId id = world.gateway->opened({*dsl::parse_address("10.0.0.1"), false}, world.now);
    world.feed(
        id,
        "GET /chat HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: sid=ask-1\r\n\r\n");
    for (const auto& one : world.questions()) world.answer(one, Proof::good(R"({"sub":"ann"})"));
    CHECK_THAT(world.read(id), Contains("200 OK"));
    world.answer(world.asked(), Proof::refused("no"));
    CHECK_THAT(world.read(id), Contains("unauthenticated"));
    CHECK(world.gateway->closing(id));
}

TEST_CASE("what a handshake would not take as somebody is nobody here") {
    for (const std::string claims : {R"({})", R"({"sub":""})", R"({"sub":"ann","level":"high"})",
                                     R"({"sub":"bob"})", R"({"sub":"ann","exp":1})"}) {
        Rechecking world;
        const ConnectionId ann = world.come();
        world.answer(world.asked(), Proof::good(claims));
        INFO(claims);
        CHECK_THAT(world.last(ann), Contains("close 4401"));
    }
}

TEST_CASE("other claims are judged as those of an $auth are") {
    Rechecking world;
    const ConnectionId ann = world.come(R"({"sub":"ann","level":9})");
    world.say(ann, R"({"type":"$subscribe","channel":"staff"})");
    world.say(ann, R"({"type":"$subscribe","channel":"news"})");
    CHECK_THAT(world.last(ann), Contains("$subscribed"));
    world.answer(world.asked(), Proof::good(R"({"sub":"ann","level":1})"));
    CHECK_THAT(world.last(ann), Contains(R"("type":"$unsubscribed","channel":"staff","reason":"forbidden")"));
    CHECK(world.gateway->receivers(Receivers{0, "news", 0, 0}) == 1);
    CHECK(world.counters.recheck_changed.get() == 1);
    CHECK(world.counters.reauthenticated.get() == 0);
    // It goes on being asked about.
    world.answer(world.asked(), Proof::good(R"({"sub":"ann","level":1})"));
    CHECK(world.counters.recheck_changed.get() == 1);
}

TEST_CASE("other claims put in doubt what a backend has allowed") {
    Rechecking world;
    const ConnectionId ann = world.come();
    world.say(ann, R"({"type":"$subscribe","channel":"room/a"})");
    BackendAnswer yes;
    yes.kind = BackendAnswer::Kind::answered;
    yes.status = 200;
    yes.content_type = "application/json";
    yes.body = R"({"for":3600})";
    for (const auto& call : std::exchange(world.gateway->actions().calls, {}))
        world.gateway->backend_answered(call.number, yes, world.now);
    CHECK_THAT(world.last(ann), Contains("$subscribed"));
    world.answer(world.asked(), Proof::good(R"({"sub":"ann"})"));
    world.later(100);
    CHECK(world.gateway->actions().calls.empty());
    world.answer(world.asked(), Proof::good(R"({"sub":"ann","level":2})"));
    world.later(100);
    const auto calls = std::exchange(world.gateway->actions().calls, {});
    REQUIRE(calls.size() == 1);
    BackendAnswer no = yes;
    no.status = 403;
    no.body = "{}";
    world.gateway->backend_answered(calls[0].number, no, world.now);
    CHECK_THAT(world.last(ann), Contains("$unsubscribed"));
}

TEST_CASE("who may not connect with the new claims goes") {
    Rechecking world(with("deny connect if ip == 10.0.0.9", "deny connect if user.level > 8"));
    const ConnectionId ann = world.come();
    world.answer(world.asked(), Proof::good(R"({"sub":"ann","level":9})"));
    CHECK_THAT(world.last(ann), Contains("close 4403"));
}

TEST_CASE("a backend that cannot tell changes nothing, and one line says so for each interval") {
    Rechecking world;
    std::vector<ConnectionId> all;
    for (int i = 0; i < 20; ++i) all.push_back(world.come(R"({"sub":"ann"})", "ask-" + std::to_string(i)));
    const ConnectionId ann = all[0];
    world.events();
    for (int round = 1; round <= 3; ++round) {
        size_t asked = 0;
        for (int tick = 0; tick < 600; ++tick) {
            world.later(100);
            for (const auto& question : world.questions()) {
                ++asked;
                world.answer(question, Proof::unavailable("it does not answer"));
            }
        }
        CHECK(asked == 20);
    }
    CHECK(world.counters.recheck_failed.get() == 60);
    CHECK(world.counters.connections.get() == 20);
    const auto events = world.events();
    CHECK(events.size() >= 2);
    CHECK(events.size() <= 4);
    for (const Event& event : events) CHECK(event.name == "recheck-failed");
    CHECK_THAT(events.at(1).message, Contains("times since the last such line"));
    CHECK(world.read(ann).empty());
}

TEST_CASE("a question is out once, and its answer is for the identity that was asked about") {
    Rechecking world;
    const ConnectionId ann = world.come();
    const auto question = world.asked();
    CHECK(world.within(180'000).empty());
    // Meanwhile another cookie is shown: the answer about the old one says nothing about it.
    world.say(ann, R"({"type":"$auth","$id":1,"token":"ask-2"})");
    const auto shown = world.questions();
    REQUIRE(shown.size() == 1);
    world.answer(shown[0], Proof::good(R"({"sub":"ann"})"));
    CHECK_THAT(world.last(ann), Contains("$ok"));
    world.answer(question, Proof::refused("no"));
    CHECK(world.read(ann).empty());
    CHECK(world.asked().credential.text == "ask-2");
}

TEST_CASE("a reload brings another interval, none, or one at all") {
    Rechecking world;
    const ConnectionId ann = world.come();
    world.reload(with("recheck = 60s", "recheck = 2s"));
    CHECK(world.read(ann).empty());  // it need not come again
    auto list = world.within(2'200);
    REQUIRE(list.size() == 1);
    // A policy that is gone is not who was asked.
    world.reload(with("recheck = 60s", "recheck = 3s"));
    world.answer(list[0], Proof::refused("no"));
    CHECK(world.read(ann).empty());
    list = world.within(200);
    REQUIRE(list.size() == 1);
    world.answer(list[0], Proof::good(R"({"sub":"ann"})"));
    world.reload(with("recheck = 60s", ""));
    CHECK(world.counters.recheck_bytes.get() == 0);
    CHECK(world.within(120'000).empty());
    world.reload(base);
    CHECK(world.within(120'000).empty());  // nobody knows the credential any more
    world.come(R"({"sub":"bob"})", "ask-2");
    CHECK(world.asked().credential.text == "ask-2");
    CHECK(world.read(ann).empty());
}

TEST_CASE("a block that looks elsewhere now, or that the route does not take, asks nothing") {
    Rechecking world;
    const ConnectionId ann = world.come();
    world.reload(with("from cookie \"sid\"", "from header \"x-first\" from cookie \"sid\""));
    const auto question = world.asked();
    CHECK(question.credential.source == 1);
    world.answer(question, Proof::good(R"({"sub":"ann"})"));
    world.reload(with("from cookie \"sid\"", "from cookie \"other\""));
    CHECK(world.within(120'000).empty());
    CHECK(world.counters.recheck_bytes.get() == 0);
    CHECK(world.read(ann).empty());
    world.reload(with("auth = { cookie, signed }", "on_policy_change = keep  auth = { cookie, signed }"));
    world.come(R"({"sub":"bob"})", "ask-2");
    world.reload(with("auth = { cookie, signed }", "on_policy_change = keep  auth = signed"));
    CHECK(world.within(120'000).empty());
}

TEST_CASE("sessions of one credential are due together, and others at all times of the interval") {
    const Now now{123'456'789, 0};
    std::vector<int> of_tenth(10);
    for (int i = 0; i < 10'000; ++i) {
        const std::string sid = "session-" + std::to_string(i);
        const int64_t at = next_recheck_ms(sid, 300'000, now);
        CHECK(at > now.steady_ms);
        CHECK(at <= now.steady_ms + 300'000);
        CHECK(at == next_recheck_ms(sid, 300'000, {at - 1, 0}));
        CHECK(at + 300'000 == next_recheck_ms(sid, 300'000, {at, 0}));
        ++of_tenth[static_cast<size_t>((at - now.steady_ms - 1) / 30'000)];
    }
    for (const int count : of_tenth) {
        CHECK(count > 800);
        CHECK(count < 1200);
    }
}
