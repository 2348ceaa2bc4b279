// Routes that hand their clients to backends, at the gateway: what is held for them, and freed.
#include "daemon/message/backend.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
token t { keys = file "k"  from header "Authorization"  claim sub : string required }
backend app { url = "http://127.0.0.1:1" }
route site /site/** { auth = none  allow connect  limit connections to 2 per ip  idle_timeout = 5s
                      proxy to app http }
route query /query/** { auth = none  allow connect  input v : int from query "v" else 1  proxy to app http }
route room /room/:room { auth = none  allow connect  proxy to app http }
route short /short/** { auth = none  allow connect  max_lifetime = 10s  idle_timeout = 0s  proxy to app http }
route own /own/** { auth = t  origins = none  allow connect  idle_timeout = 0s  proxy to app http }
route folded /folded { auth = none  allow connect  stream s to app "/" }
)";

struct Proxying : World {
    explicit Proxying(GatewaySettings settings = {.log_connections = false}) : World(policy, settings) {
        runtime->backends = {backend()};
    }
    static std::shared_ptr<const Backend> backend() {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        app->url = "http://127.0.0.1:1";
        return app;
    }
    void reload(const std::string& text) {
        auto next = std::make_shared<Runtime>(*runtime);
        next->policy = policy_from(text);
        next->generation = 2;
        gateway->replace(next, now);
    }
    ConnectionId ask(const std::string& request) {
        const ConnectionId id = gateway->opened({*dsl::parse_address("10.0.0.1"), false}, now);
        feed(id, request);
        return id;
    }
    // The number of the connection to the backend that was asked for last.
    uint64_t dialled() { return gateway->actions().dials.back().number; }
    void reach(uint64_t number) {
        gateway->upstream_connected(number, now);
        gateway->upstream_sent(number, gateway->upstream_output(number).size(), now);
    }
    void answer(uint64_t number, std::string bytes) { gateway->upstream_received(number, bytes, now); }
};

const std::string get = "GET /site/a HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("a request counts as long as it lasts, and the connection goes on", "[proxy]") {
    Proxying world;
    const ConnectionId first = world.ask(get);
    const uint64_t number = world.dialled();
    (void)world.ask(get);
    CHECK_THAT(world.read(world.ask(get)), Contains("429"));
    world.reach(number);
    world.answer(number, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_THAT(world.read(first), Contains("200 OK") && Contains("\r\n\r\nok"));
    world.feed(first, get);  // its place was free again
    CHECK(world.dialled() != number);
    world.gateway->upstream_received(number, {}, world.now);  // a number that is not known any more
    world.gateway->upstream_gone(number, "late", world.now);
    CHECK(world.read(first).empty());
}

TEST_CASE("a backend that is silent, or is not reached", "[proxy]") {
    Proxying world;
    const ConnectionId silent = world.ask(get);
    world.reach(world.dialled());
    const ConnectionId away = world.ask(get);
    world.now.steady_ms += 3'100;
    world.gateway->tick(world.now);
    CHECK_THAT(world.read(away), Contains("504") && Contains("not reached in time"));
    CHECK(world.read(silent).empty());
    world.now.steady_ms += 5'200;  // since it was last read from
    world.gateway->tick(world.now);
    CHECK_THAT(world.read(silent), Contains("504"));
    CHECK(world.counters.tunnels_refused.get() == 2);
}

TEST_CASE("memory that waits for backends is freed under pressure", "[proxy]") {
    Proxying world;
    const ConnectionId quiet = world.ask(get);
    const ConnectionId upload =
        world.ask("POST /site/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    const ConnectionId page = world.connect("/folded");
    world.feed(upload, std::string(60'000, 'x'));
    for (int i = 0; i < 10; ++i)
        world.say(page, R"({"stream":"s","text":")" + std::string(5'000, 'y') + R"("})");
    world.gateway->actions().abort.clear();
    (void)world.read(page);
    world.gateway->shed(world.now);
    CHECK(world.gateway->actions().abort.size() == 1);  // half is freed by the one that holds most
    CHECK(world.gateway->actions().abort.front() == upload);
    world.gateway->closed(upload, world.now);
    world.gateway->shed(world.now);
    CHECK_THAT(world.read(page), Contains("short of memory"));
    CHECK(world.counters.shed.get() == 2);
    CHECK(world.read(quiet).empty());
}

namespace {

std::string target_that_goes_on(const std::string& target) {
    Proxying world;
    const ConnectionId id = world.ask("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string refused = world.read(id);
    if (!refused.empty()) return refused.substr(9, 3);
    const std::string line(world.gateway->upstream_output(world.dialled()));
    return line.substr(4, line.find(" HTTP/1.1") - 4);
}

}  // namespace

TEST_CASE("a target goes on as it was sent", "[proxy]") {
    for (const std::string target :
         {"/site/a%20b/%61?x=%31&y", "/site/a?", "/site/a?q=100%", "/site/a?q=%0D%0AX:%20y",
          "/site/a?q=caf%E9", "/site/a%2Fb", "/site/~!$&'()*+,;=:@", "/site/a;jsessionid=1/b", "/site/a%3Bb",
          "/room/a", "/query/a?v=2", "/site/%C3%A9", "/site/a%2eb", "/site/{}?{}|^"}) {
        INFO(target);
        CHECK(target_that_goes_on(target) == (target == "/site/{}?{}|^" ? "/site/%7B%7D?{}|^" : target));
    }
}

TEST_CASE("a target that a backend could read as another one stays", "[proxy]") {
    for (const std::string target : {"/site%2Fa", "/site/..;/folded", "/site/..%3B/a", "/site/;/a",
                                     "/site/%2e%2e%2fa", "/site/a%2f%2e%2e%2fb", "/room%2Fa", "/room/a;b",
                                     "/room/a%3bb", "/site/a%5cb", "/site/%", "/site/%0d%0a", "/site/%E9",
                                     // The route reads the query, and must read what its backend does.
                                     "/query/a?v=%", "/query/a?%u0076=3", "/query/a?x=%0a",
                                     // Of the daemon's own.
                                     "/folded?q=%", "/fol%2Fded"}) {
        INFO(target);
        CHECK(target_that_goes_on(target) == "400");
    }
}

TEST_CASE("a response that says its length may outlive the right to it, and no other", "[proxy]") {
    Proxying world({.close_timeout_ms = 2'000, .log_connections = false});
    const std::string ask = "GET /short/a HTTP/1.1\r\nHost: a\r\n\r\n";
    const ConnectionId endless = world.ask(ask);
    world.reach(world.dialled());
    const uint64_t events = world.dialled();
    world.answer(events, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    const ConnectionId download = world.ask(ask);
    world.reach(world.dialled());
    const uint64_t file = world.dialled();
    world.answer(file, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    const ConnectionId silent = world.ask(ask);
    world.reach(world.dialled());
    (void)world.read(endless);
    (void)world.read(download);
    world.later(10'100);
    world.answer(events, "data: 2\n\n");
    CHECK_THAT(world.read(endless), Contains("data: 2"));
    CHECK(world.read(silent).empty());
    world.later(2'100);
    CHECK(world.gateway->actions().abort == std::vector{endless});
    CHECK_THAT(world.read(silent), Contains("504") && Contains("max_lifetime"));
    world.answer(file, "cd");
    CHECK(world.read(download) == "cd");
    CHECK(world.counters.tunnels_refused.get() == 0);
}

TEST_CASE("the end of a token ends what it has let in", "[proxy]") {
    Proxying world;
    const int64_t exp_s = world.now.wall_ms / 1000 + 60;
    world.verifier->tokens["ann"] = R"({"sub":"ann","exp":)" + std::to_string(exp_s) + "}";
    const ConnectionId id = world.ask("GET /own/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ann\r\n\r\n");
    world.reach(world.dialled());
    world.later(60'000);
    world.later(4'900);
    CHECK(world.read(id).empty());
    world.later(200);
    CHECK_THAT(world.read(id), Contains("401") && Contains("the token has expired"));
}

TEST_CASE("a reload ends what its policy would not let in", "[proxy]") {
    Proxying world;
    const ConnectionId stays = world.ask(get);
    world.reach(world.dialled());
    const ConnectionId gone = world.ask("GET /short/a HTTP/1.1\r\nHost: a\r\n\r\n");
    world.reach(world.dialled());
    world.reload(R"(
backend app { url = "http://127.0.0.1:1" }
route site /site/** { auth = none  allow connect  limit connections to 3 per ip  idle_timeout = 20s
                      proxy to app http }
)");
    world.later(100);
    world.later(4'800);
    CHECK(world.read(gone).empty());
    world.later(300);
    CHECK_THAT(world.read(gone), Contains("403") && Contains("policy_changed"));
    world.later(10'000);
    CHECK(world.read(stays).empty());  // by the idle_timeout of the new policy
    world.later(20'100);
    CHECK_THAT(world.read(stays), Contains("504"));
}

TEST_CASE("who has said all is answered, if all was said", "[proxy]") {
    Proxying world;
    const ConnectionId id = world.ask(get);
    const uint64_t number = world.dialled();
    world.reach(number);
    CHECK(world.gateway->finished(id, world.now));
    CHECK(world.read(id) == "HTTP/1.1 100 Continue\r\n\r\n");  // to hear whether somebody is there still
    CHECK(world.gateway->owes_answer(id));
    world.answer(number, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK(world.gateway->owes_answer(id));
    CHECK_THAT(world.read(id), Contains("\r\n\r\nok"));
    CHECK_FALSE(world.gateway->owes_answer(id));
    CHECK_FALSE(world.gateway->finished(id, world.now));

    const ConnectionId events = world.ask(get);
    world.reach(world.dialled());
    world.answer(world.dialled(), "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    CHECK_FALSE(world.gateway->finished(events, world.now));
    world.gateway->closed(events, world.now);

    const ConnectionId half = world.ask("POST /site/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    CHECK_FALSE(world.gateway->finished(half, world.now));
    const ConnectionId old = world.ask("GET /site/a HTTP/1.0\r\nHost: a\r\n\r\n");
    CHECK(world.gateway->finished(old, world.now));
    CHECK(world.read(old).empty());
    const ConnectionId nothing = world.ask("GET /site/a HTT");
    CHECK_FALSE(world.gateway->finished(nothing, world.now));
}
