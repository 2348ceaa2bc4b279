// Routes that hand their clients to backends, at the gateway: what is held for them, and freed.
#include "daemon/message/backend.h"
#include "tests/unit/core/gateway_fixture.h"

using namespace wayleave;
using namespace wayleave::test;
using Catch::Matchers::Contains;

namespace {

const std::string policy = R"(
backend app { url = "http://127.0.0.1:1" }
route site /site/** { auth = none  allow connect  limit connections to 2 per ip  idle_timeout = 5s
                      proxy to app http }
route folded /folded { auth = none  allow connect  stream s to app "/" }
)";

struct Proxying : World {
    Proxying() : World(policy) {
        auto app = std::make_shared<Backend>();
        app->name = "app";
        app->url = "http://127.0.0.1:1";
        runtime->backends = {app};
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
